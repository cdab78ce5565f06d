import Basics

/// The 64 bits by which `distinct` knows a value again: the same on every machine and in every version, since they are stored. Never 0.
public enum DistinctHash {
    /// Of a text that is not empty: XXH3.
    @inline(__always)
    public static func of(text bytes: UnsafeBufferPointer<UInt8>) -> UInt64 { notZero(textHash(bytes)) }

    /// Of an integer; different integers have different hashes.
    @inline(__always)
    public static func of(integer value: Int64) -> UInt64 { notZero(mixed64(UInt64(bitPattern: value))) }

    /// Of a number, however many zeros end it: 1.50 is 1.5.
    public static func of(decimal value: PackedDecimal) -> UInt64 {
        var (mantissa, scale) = (value.mantissa, value.scale)
        while scale > 0, mantissa % 10 == 0 { (mantissa, scale) = (mantissa / 10, scale - 1) }
        return of(integer: PackedDecimal(mantissa: mantissa, scale: scale).cell)
    }

    /// 0 stands for no value. The other value that it falls together with is one of 2^64.
    @inline(__always)
    private static func notZero(_ hash: UInt64) -> UInt64 { hash == 0 ? 0x9e37_79b9_7f4a_7c15 : hash }
}
