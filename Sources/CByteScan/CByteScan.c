#include "CByteScan.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef struct {
    uint64_t separators, newlines, quotes;
    uint32_t plain;  // all ones where no byte is NUL or has its upper bit set
} block_masks;

#if defined(__x86_64__)
static inline uint64_t equal_mask(__m128i a, __m128i b, __m128i c, __m128i d, __m128i wanted) {
    uint64_t w = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, wanted));
    uint64_t x = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, wanted));
    uint64_t y = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, wanted));
    uint64_t z = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(d, wanted));
    return w | x << 16 | y << 32 | z << 48;
}

static inline block_masks masks_of(const uint8_t *bytes, uint8_t delimiter, uint8_t newline) {
    __m128i a = _mm_loadu_si128((const __m128i *)bytes), b = _mm_loadu_si128((const __m128i *)(bytes + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(bytes + 32)), d = _mm_loadu_si128((const __m128i *)(bytes + 48));
    block_masks m;
    m.newlines = equal_mask(a, b, c, d, _mm_set1_epi8((char)newline));
    m.separators = m.newlines | equal_mask(a, b, c, d, _mm_set1_epi8((char)delimiter));
    m.quotes = equal_mask(a, b, c, d, _mm_set1_epi8('"'));
    // Compared with signs, all but NUL and what is beyond ASCII is above zero.
    __m128i zero = _mm_setzero_si128();
    uint32_t above = (uint32_t)_mm_movemask_epi8(_mm_and_si128(_mm_cmpgt_epi8(a, zero), _mm_cmpgt_epi8(b, zero)));
    uint32_t rest = (uint32_t)_mm_movemask_epi8(_mm_and_si128(_mm_cmpgt_epi8(c, zero), _mm_cmpgt_epi8(d, zero)));
    m.plain = above | rest << 16;
    return m;
}
#else
static inline block_masks masks_of(const uint8_t *bytes, uint8_t delimiter, uint8_t newline) {
    block_masks m = {0, 0, 0, ~(uint32_t)0};
    for (int i = 0; i < 64; i++) {
        m.newlines |= (uint64_t)(bytes[i] == newline) << i;
        m.separators |= (uint64_t)(bytes[i] == newline || bytes[i] == delimiter) << i;
        m.quotes |= (uint64_t)(bytes[i] == '"') << i;
        if (bytes[i] == 0 || bytes[i] & 0x80) m.plain = 0;
    }
    return m;
}
#endif

/// Bit i of the result: whether an odd number of the bits 0…i is set, that is, whether byte i lies inside quotes.
static inline uint64_t prefix_xor(uint64_t x) {
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    x ^= x << 32;
    return x;
}

/// Writes the places of the bits that are set, counted from `at`.
static inline void write_positions(uint64_t bits, uint32_t at, uint32_t *out) {
    while (bits) {
        *out++ = at + (uint32_t)__builtin_ctzll(bits);
        bits &= bits - 1;
    }
}

/// What was found in the blocks so far.
typedef struct {
    size_t separators, rows;
    uint64_t in_quotes;  // all ones while a quoted field goes on from the block before
    uint64_t hidden;     // not 0 where a newline stands inside quotes
    uint32_t plain;
} scan_state;

/// Looks at 64 bytes, which stand at `at`; 0 once there are `row_limit` rows.
static inline __attribute__((always_inline)) int scan_block(
    scan_state *state, const uint8_t *block, uint32_t at, uint8_t delimiter, uint8_t newline, uint32_t *positions,
    uint32_t first_index, uint32_t *row_ends, size_t row_limit, block_masks (*masks)(const uint8_t *, uint8_t, uint8_t),
    void (*write)(uint64_t, uint32_t, uint32_t *)) {
    int goes_on = 1;
    block_masks m = masks(block, delimiter, newline);
    if (m.quotes | state->in_quotes) {
        uint64_t quoted = prefix_xor(m.quotes) ^ state->in_quotes;
        state->in_quotes = (uint64_t)((int64_t)quoted >> 63);
        state->hidden |= m.newlines & quoted;
        m.separators &= ~quoted;
        m.newlines &= ~quoted;
    }
    state->plain &= m.plain;
    uint64_t newlines = m.newlines;
    while (newlines) {
        uint64_t up_to = newlines ^ (newlines - 1);
        uint32_t before = (uint32_t)__builtin_popcountll(m.separators & up_to);
        row_ends[state->rows++] = first_index + (uint32_t)state->separators + before - 1;
        newlines &= newlines - 1;
        if (state->rows == row_limit) {
            m.separators &= up_to;
            goes_on = 0;
            break;
        }
    }
    write(m.separators, at, positions + state->separators);
    state->separators += (uint32_t)__builtin_popcountll(m.separators);
    return goes_on;
}

/// `taxi_scan`, for what the processor has: compiled once for each set of instructions.
static inline __attribute__((always_inline)) taxi_scan_result scan(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit, block_masks (*masks)(const uint8_t *, uint8_t, uint8_t),
    void (*write)(uint64_t, uint32_t, uint32_t *)) {
    scan_state state = {0, 0, 0, 0, ~(uint32_t)0};
    size_t at = 0;
    int goes_on = 1;
    // Places may be written beyond the last one, and there is room for one a byte.
    for (; goes_on && length - at >= 64; at += 64)
        goes_on = scan_block(
            &state, bytes + at, (uint32_t)at, delimiter, newline, positions, first_index, row_ends, row_limit, masks, write);
    if (goes_on && at < length) {
        uint8_t tail[64];
        memset(tail, ' ', sizeof tail);  // what is no separator, no quote and nothing special
        memcpy(tail, bytes + at, length - at);
        scan_block(
            &state, tail, (uint32_t)at, delimiter, newline, positions, first_index, row_ends, row_limit, masks, write_positions);
    }
    taxi_scan_result result = {state.separators, state.rows, state.plain != ~(uint32_t)0, state.hidden != 0};
    return result;
}

taxi_scan_result taxi_scan_portable(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit) {
    return scan(bytes, length, delimiter, newline, positions, first_index, row_ends, row_limit, masks_of, write_positions);
}

#if defined(__x86_64__)
#define WITH_AVX2 __attribute__((target("avx2,bmi,popcnt")))

WITH_AVX2 static inline uint64_t equal_mask_avx2(__m256i a, __m256i b, __m256i wanted) {
    uint64_t w = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, wanted));
    uint64_t x = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, wanted));
    return w | x << 32;
}

WITH_AVX2 static inline block_masks masks_avx2(const uint8_t *bytes, uint8_t delimiter, uint8_t newline) {
    __m256i a = _mm256_loadu_si256((const __m256i *)bytes), b = _mm256_loadu_si256((const __m256i *)(bytes + 32));
    block_masks m;
    m.newlines = equal_mask_avx2(a, b, _mm256_set1_epi8((char)newline));
    m.separators = m.newlines | equal_mask_avx2(a, b, _mm256_set1_epi8((char)delimiter));
    m.quotes = equal_mask_avx2(a, b, _mm256_set1_epi8('"'));
    m.plain = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_min_epi8(a, b), _mm256_setzero_si256()));
    return m;
}

/// Four at a time: how many there are in a block is hard to foretell, whether there are more than four or eight is less so.
WITH_AVX2 static inline void write_positions_bmi(uint64_t bits, uint32_t at, uint32_t *out) {
    while (bits) {
        for (int i = 0; i < 4; i++) {
            out[i] = at + (uint32_t)_tzcnt_u64(bits);
            bits = _blsr_u64(bits);
        }
        out += 4;
    }
}

WITH_AVX2 static taxi_scan_result scan_avx2(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit) {
    return scan(
        bytes, length, delimiter, newline, positions, first_index, row_ends, row_limit, masks_avx2, write_positions_bmi);
}
#endif

taxi_scan_result taxi_scan(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return scan_avx2(bytes, length, delimiter, newline, positions, first_index, row_ends, row_limit);
#endif
    return taxi_scan_portable(bytes, length, delimiter, newline, positions, first_index, row_ends, row_limit);
}

size_t taxi_next_odd_number(taxi_column column, size_t row, taxi_number_bounds bounds) {
    for (; row < column.rows; row++) {
        const uint32_t *separators = column.separators + column.first[row] + column.column;
        uint32_t start = separators[0] + 1, length = separators[1] - start;
        if (length == 0) continue;
#if defined(__SSE2__)
        const uint8_t *text = column.source + column.base[row] + start;
        if (length > 15 || text >= column.end) return row;
        if (!taxi_is_plain_short(text, length, taxi_digits(_mm_loadu_si128((const __m128i *)text)), bounds)) return row;
#else
        return row;
#endif
    }
    return row;
}
