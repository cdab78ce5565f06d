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

/// What a number may be to be plain: its whole part, how many decimals may follow, and whether a "-" may stand before it.
///
/// A whole part of up to `digits` digits is not above `greatest`, whatever they are; one of a digit more neither, where it begins with a
/// digit below `lead`.
typedef struct {
    uint64_t least, greatest;
    uint32_t digits, lead, decimals, signs;
} taxi_number_bounds;

/// Whether a whole part is within bounds, whatever decimals follow.
static inline int taxi_is_whole_within(const uint8_t *text, size_t digits, int has_point, taxi_number_bounds bounds) {
    if (digits == 0) return 0;
    // What begins with a digit is not below that digit.
    if ((digits <= bounds.digits || (digits == bounds.digits + 1 && text[0] < bounds.lead)) && text[0] - '0' >= bounds.least) return 1;
    uint64_t wholes = 0;
    if (digits > 16) return 0;
    for (size_t at = 0; at < digits; at++) wholes = wholes * 10 + (uint8_t)(text[at] - '0');
    return wholes >= bounds.least && wholes <= bounds.greatest && !(has_point && wholes == bounds.greatest);
}

/// Whether a text is digits with at most one point among them, and within bounds whatever its decimals are. 0 says nothing.
static inline int taxi_is_plain_number(const uint8_t *text, size_t length, taxi_number_bounds bounds) {
    size_t start = bounds.signs && text[0] == '-', at = start;
    while (at < length && (uint8_t)(text[at] - '0') <= 9) at++;
    if (!taxi_is_whole_within(text + start, at - start, at < length, bounds)) return 0;
    if (at == length) return 1;
    size_t decimals = length - at - 1;
    if (text[at] != '.' || decimals == 0 || decimals > bounds.decimals) return 0;
    for (at++; at < length; at++)
        if ((uint8_t)(text[at] - '0') > 9) return 0;
    return 1;
}

#if defined(__SSE2__)
/// One bit for each of 16 bytes: whether it is a digit.
static inline unsigned taxi_digits(__m128i bytes) {
    __m128i digits = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
}

/// `taxi_is_plain_number` for 1 to 15 bytes, of which one knows which are digits.
static inline int taxi_is_plain_short(const uint8_t *text, unsigned length, unsigned digits, taxi_number_bounds bounds) {
    unsigned sign = bounds.signs & (text[0] == '-');
    unsigned others = (~digits & ((1u << length) - 1)) - sign;
    if (!others) return taxi_is_whole_within(text + sign, length - sign, 0, bounds);
    unsigned point = (unsigned)__builtin_ctz(others);
    // Nothing but one point, and at least one digit behind it.
    if ((others & (others - 1)) || text[point] != '.' || length - point - 2 >= bounds.decimals) return 0;
    return taxi_is_whole_within(text + sign, point - sign, 1, bounds);
}
#endif

/// The same for the digits and points that a text begins with, of which 16 bytes can be read: how many they are, at most 15; 0 says nothing.
static inline size_t taxi_plain_number_length(const uint8_t *text, taxi_number_bounds bounds) {
#if defined(__SSE2__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)text);
    unsigned digits = taxi_digits(bytes), points = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.')));
    unsigned length = (unsigned)__builtin_ctz(~(digits | points | (bounds.signs & (text[0] == '-'))));
    return length - 1 < 15 && taxi_is_plain_short(text, length, digits, bounds) ? length : 0;
#else
    return 0;
#endif
}

/// One column of some rows: see `CSVRows`.
typedef struct {
    const uint8_t *source;
    const uint8_t *end;  // from there on less than 16 bytes can be read
    const uint32_t *separators, *first;
    const intptr_t *base;
    size_t rows, column;
} taxi_column;

/// The first row from `row` on whose field is neither empty nor a plain number, or whose number is not looked at: it stands near the
/// end, or is long. The number of rows where there is none.
size_t taxi_next_odd_number(taxi_column column, size_t row, taxi_number_bounds bounds);

/// Whether 22 bytes are a time as the City's export writes it, `MM/DD/YYYY hh:mm:ss AM`, of a day that each month has. 0 says nothing.
static inline int taxi_is_plain_time(const uint8_t *text) {
#if defined(__SSE2__)
    const char *least = "00/00/2000 00:00:00 AM", *greatest = "19/29/2099 19:59:59 PM";
    __m128i low = _mm_loadu_si128((const __m128i *)text), high = _mm_loadu_si128((const __m128i *)(text + 6));
    __m128i a = _mm_loadu_si128((const __m128i *)least), b = _mm_loadu_si128((const __m128i *)(least + 6));
    __m128i c = _mm_loadu_si128((const __m128i *)greatest), d = _mm_loadu_si128((const __m128i *)(greatest + 6));
    __m128i within = _mm_and_si128(
        _mm_cmpeq_epi8(_mm_min_epu8(_mm_max_epu8(low, a), c), low), _mm_cmpeq_epi8(_mm_min_epu8(_mm_max_epu8(high, b), d), high));
    unsigned month = text[0] * 10u + text[1] - '0' * 11u, day = text[3] * 10u + text[4] - '0' * 11u;
    unsigned hour = text[11] * 10u + text[12] - '0' * 11u;
    return _mm_movemask_epi8(within) == 0xffff && month - 1 < 12 && day - 1 < 28 && hour - 1 < 12
        && (text[20] == 'A' || text[20] == 'P');
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
