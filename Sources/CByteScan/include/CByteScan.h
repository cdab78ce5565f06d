// Finds the separators of delimited text, 64 bytes at a time.
//
// Swift's own SIMD types do not become a movemask, so this one loop is C: AVX2 where the processor has it, else SSE2, which each
// x86-64 has, the compiler's plain code elsewhere.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef struct {
    size_t separators;  // how many positions were written
    size_t rows;        // how many row ends were written
    uint8_t non_ascii;  // not 0: some byte has its upper bit set
} taxi_scan_result;

/// Writes to `positions` the place of each `delimiter` and `newline` outside double quotes, counted from `bytes`, and to `row_ends`
/// the index in `positions` (counted from `first_index`) of each newline among them.
///
/// Stops after `row_limit` rows or at `length`. `positions` has room for `length` entries, `row_ends` for `row_limit`.
/// The text starts outside quotes.
taxi_scan_result taxi_scan(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit);

/// The same with what each processor has: what `taxi_scan` does where there is no AVX2.
taxi_scan_result taxi_scan_portable(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit);

/// Asks for the cache lines of `bytes ..< bytes + length` ahead of their use.
static inline void taxi_prefetch(const uint8_t *bytes, size_t length) {
    for (size_t at = 0; at < length; at += 64) __builtin_prefetch(bytes + at);
}

/// Passes over what a JSON string may hold as it is, many bytes at a time: gives the place of the first quote, backslash, control character
/// or byte beyond ASCII, or a place with fewer than 16 bytes left before `end`, from which the caller looks on by itself.
static inline const uint8_t *taxi_skip_plain(const uint8_t *at, const uint8_t *end) {
    while (end - at >= 16) {
#if defined(__SSE2__)
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        // Compared with signs, bytes beyond ASCII are less than a blank too.
        __m128i special = _mm_or_si128(
            _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        int found = _mm_movemask_epi8(special);
        if (found) return at + __builtin_ctz((unsigned)found);
#else
        for (int i = 0; i < 16; i++)
            if (at[i] < 0x20 || at[i] >= 0x80 || at[i] == '"' || at[i] == '\\') return at + i;
#endif
        at += 16;
    }
    return at;
}
