// XXH3 inlined into its callers: a 64-bit hash for checksums of stored batches and for dictionaries in memory.
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline unsigned long long taxi_hash64(const void *bytes, size_t length) {
    return XXH3_64bits(bytes, length);
}

static inline _Bool taxi_equal(const void *a, const void *b, size_t length) {
    return __builtin_memcmp(a, b, length) == 0;
}
