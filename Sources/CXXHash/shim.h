// XXH3 inlined into its callers: a 64-bit hash for checksums of stored batches and for dictionaries in memory, and a 128-bit one of
// whole files.
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline unsigned long long taxi_hash64(const void *bytes, size_t length) {
    return XXH3_64bits(bytes, length);
}

static inline void *taxi_hash128_begin(void) {
    XXH3_state_t *state = XXH3_createState();
    if (state) XXH3_128bits_reset(state);
    return state;
}

static inline void taxi_hash128_add(void *state, const void *bytes, size_t length) {
    XXH3_128bits_update((XXH3_state_t *)state, bytes, length);
}

/// Frees the state.
static inline void taxi_hash128_end(void *state, unsigned long long *low, unsigned long long *high) {
    XXH128_hash_t hash = XXH3_128bits_digest((XXH3_state_t *)state);
    *low = hash.low64;
    *high = hash.high64;
    XXH3_freeState((XXH3_state_t *)state);
}

static inline _Bool taxi_equal(const void *a, const void *b, size_t length) {
    return __builtin_memcmp(a, b, length) == 0;
}
