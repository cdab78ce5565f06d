// Finds the separators of delimited text, 64 bytes at a time.
//
// Swift's own SIMD types do not become a movemask, so this one loop is C: AVX2 where the processor has it, else SSE2, which each
// x86-64 has, the compiler's plain code elsewhere.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef struct {
    size_t separators;  // how many positions were written
    size_t rows;        // how many row ends were written
    uint8_t special;    // not 0: some byte has its upper bit set or is NUL, so that text must be checked to be UTF-8
    uint8_t hidden_lines;  // not 0: some newline stands inside quotes, so that rows and lines are not the same
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

/// Whether a text is `POINT (-87.6… 41.8…)`: both numbers with two digits before the point, the second below 90, and no exponent, so that
/// it names a place on Earth however the decimals go on. 0 says nothing.
static inline int taxi_is_plain_point(const uint8_t *text, size_t length) {
    if (length < 24 || length > 40 || memcmp(text, "POINT (-", 8) != 0 || text[length - 1] != ')') return 0;
#if defined(__SSE2__)
    __m128i low = _mm_loadu_si128((const __m128i *)(text + 8)), high = _mm_loadu_si128((const __m128i *)(text + length - 16));
    // An exponent would be a letter; these stand behind the digits.
    __m128i nine = _mm_set1_epi8('9');
    __m128i found = _mm_or_si128(_mm_cmpgt_epi8(low, nine), _mm_cmpgt_epi8(high, nine));
    int blanks = _mm_movemask_epi8(_mm_cmpeq_epi8(low, _mm_set1_epi8(' ')));
    // Between the two halves nothing is looked at, so that they must meet.
    if (_mm_movemask_epi8(found) || !blanks) return 0;
    const uint8_t *second = text + 8 + __builtin_ctz((unsigned)blanks) + 1;
    if (second + 4 > text + length) return 0;
    // Two bytes of the column of the digits, none of which is above '9', and a point.
    uint32_t x, y;
    memcpy(&x, text + 8, 4);
    memcpy(&y, second, 4);
    return (x & 0xfff0f0) == 0x2e3030 && (y & 0xfff0f0) == 0x2e3030 && second[0] < '9';
#else
    return 0;
#endif
}

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
