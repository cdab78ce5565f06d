// XXH3 inlined into its callers: a 64-bit hash for checksums of stored batches and for dictionaries in memory.
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline unsigned long long taxi_hash64(const void *bytes, size_t length) {
    return XXH3_64bits(bytes, length);
}
