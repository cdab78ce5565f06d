#include "CByteScan.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef struct {
    uint64_t separators, newlines, quotes, upper;
} block_masks;

#if defined(__SSE2__)
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
    m.upper = (uint64_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
    return m;
}
#else
static inline block_masks masks_of(const uint8_t *bytes, uint8_t delimiter, uint8_t newline) {
    block_masks m = {0, 0, 0, 0};
    for (int i = 0; i < 64; i++) {
        m.newlines |= (uint64_t)(bytes[i] == newline) << i;
        m.separators |= (uint64_t)(bytes[i] == newline || bytes[i] == delimiter) << i;
        m.quotes |= (uint64_t)(bytes[i] == '"') << i;
        m.upper |= bytes[i] & 0x80;
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

taxi_scan_result taxi_scan(
    const uint8_t *bytes, size_t length, uint8_t delimiter, uint8_t newline, uint32_t *positions, uint32_t first_index,
    uint32_t *row_ends, size_t row_limit) {
    taxi_scan_result result = {0, 0, 0};
    uint64_t in_quotes = 0;  // all ones while a quoted field goes on from the block before
    uint8_t tail[64];
    uint64_t upper = 0;
    for (size_t at = 0; at < length; at += 64) {
        const uint8_t *block = bytes + at;
        if (length - at < 64) {
            memset(tail, 0, sizeof tail);
            memcpy(tail, block, length - at);
            block = tail;
        }
        block_masks m = masks_of(block, delimiter, newline);
        if (m.quotes | in_quotes) {
            uint64_t quoted = prefix_xor(m.quotes) ^ in_quotes;
            in_quotes = (uint64_t)((int64_t)quoted >> 63);
            m.separators &= ~quoted;
            m.newlines &= ~quoted;
        }
        upper |= m.upper;
        uint64_t newlines = m.newlines;
        while (newlines) {
            uint64_t up_to = newlines ^ (newlines - 1);
            uint32_t before = (uint32_t)__builtin_popcountll(m.separators & up_to);
            row_ends[result.rows++] = first_index + (uint32_t)result.separators + before - 1;
            newlines &= newlines - 1;
            if (result.rows == row_limit) {
                m.separators &= up_to;
                length = 0;  // the block is finished, then the loop ends
                break;
            }
        }
        uint32_t *out = positions + result.separators;
        uint32_t count = (uint32_t)__builtin_popcountll(m.separators);
        uint64_t separators = m.separators;
        while (separators) {
            *out++ = (uint32_t)at + (uint32_t)__builtin_ctzll(separators);
            separators &= separators - 1;
        }
        result.separators += count;
        if (length == 0) break;
    }
    result.non_ascii = upper != 0;
    return result;
}
