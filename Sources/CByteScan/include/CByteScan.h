// Finds the separators of delimited text, 64 bytes at a time.
//
// Swift's own SIMD types do not become a movemask, so this one loop is C: SSE2 where the processor has it (each x86-64 does),
// the compiler's plain code elsewhere.
#pragma once
#include <stddef.h>
#include <stdint.h>

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

/// Asks for the cache lines of `bytes ..< bytes + length` ahead of their use.
static inline void taxi_prefetch(const uint8_t *bytes, size_t length) {
    for (size_t at = 0; at < length; at += 64) __builtin_prefetch(bytes + at);
}
