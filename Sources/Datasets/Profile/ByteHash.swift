import Basics
import Trips

/// A 64-bit hash of bytes, good enough to tell values apart: two of a million differ in theirs but once in 37 million files.
///
/// Not for data of adversaries, and not stored anywhere.
func byteHash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: bytes.count) &* 0x9e37_79b9_7f4a_7c15
    guard let start = UnsafeRawPointer(bytes.baseAddress) else { return hash }
    var offset = 0
    while offset &+ 8 <= bytes.count {
        fold(&hash, start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        offset &+= 8
    }
    var rest: UInt64 = 0
    while offset < bytes.count {
        rest = rest << 8 | UInt64(bytes[offset])
        offset &+= 1
    }
    fold(&hash, rest)
    return mixed64(hash)
}

/// Multiplies to 128 bits and folds the halves together.
///
/// Source: Wang Yi, "wyhash"; the constant is its own.
@inline(__always)
private func fold(_ hash: inout UInt64, _ word: UInt64) {
    let (high, low) = (hash ^ word ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
    hash = high ^ low
}
