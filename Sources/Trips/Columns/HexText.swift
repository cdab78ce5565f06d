/// Lower-case hexadecimal, eight characters at a time.
enum HexText {
    /// The same byte eight times.
    @inline(__always)
    private static func all(_ byte: UInt8) -> UInt64 { 0x0101_0101_0101_0101 &* UInt64(byte) }

    @inline(__always)
    private static func characters(_ text: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(text).loadUnaligned(as: UInt64.self))
    }

    /// Whether all of a text is lower-case hexadecimal, of an even length.
    @inline(__always)
    static func isHex(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text.count & 1 == 0 else { return false }
        guard let start = text.baseAddress else { return true }
        var wrong: UInt64 = 0
        var at = 0
        while at &+ 8 <= text.count {
            wrong |= noHex(characters(start + at))
            at &+= 8
        }
        while at < text.count {
            wrong |= noHex(all(start[at]))
            at &+= 1
        }
        return wrong == 0
    }

    /// The top bit of each byte that is none of `0` … `9` and `a` … `f`; other bits are 0.
    @inline(__always)
    private static func noHex(_ characters: UInt64) -> UInt64 {
        // A sum has its top bit where the character is at least the one that 128 was taken from; beyond ASCII that is nonsense.
        let ascii = characters & all(0x7f)
        let isDigit = (ascii &+ all(128 - 0x30)) & ~(ascii &+ all(128 - 0x3a))
        let isLetter = (ascii &+ all(128 - 0x61)) & ~(ascii &+ all(128 - 0x67))
        return (~(isDigit | isLetter) | characters) & all(128)
    }

    /// Writes two characters of hexadecimal as one byte.
    @inline(__always)
    static func pack(_ text: UnsafeBufferPointer<UInt8>, to bytes: UnsafeMutableRawPointer) {
        guard let start = text.baseAddress else { return }
        var at = 0
        while at &+ 8 <= text.count {
            bytes.storeBytes(of: packed(characters(start + at)).littleEndian, toByteOffset: at / 2, as: UInt32.self)
            at &+= 8
        }
        while at < text.count {
            let pair = UInt64(start[at]) | UInt64(start[at &+ 1]) << 8
            bytes.storeBytes(of: UInt8(truncatingIfNeeded: packed(pair)), toByteOffset: at / 2, as: UInt8.self)
            at &+= 2
        }
    }

    /// Writes each byte as two characters.
    @inline(__always)
    static func unpack(_ bytes: UnsafeRawBufferPointer, to text: UnsafeMutableRawPointer) {
        guard let start = bytes.baseAddress else { return }
        var at = 0
        while at &+ 4 <= bytes.count {
            let four = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            text.storeBytes(of: unpacked(four).littleEndian, toByteOffset: at &* 2, as: UInt64.self)
            at &+= 4
        }
        while at < bytes.count {
            let pair = UInt16(truncatingIfNeeded: unpacked(UInt32(bytes[at])))
            text.storeBytes(of: pair.littleEndian, toByteOffset: at &* 2, as: UInt16.self)
            at &+= 1
        }
    }

    /// Four bytes of eight characters; the first of each is the lowest.
    @inline(__always)
    private static func packed(_ characters: UInt64) -> UInt32 {
        // Of a letter bit 6 is set, and its lower half is 1 for "a".
        let digits = (characters & all(0x0f)) &+ ((characters >> 6) & all(1)) &* 9
        let bytes = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff
        let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff
        return UInt32(truncatingIfNeeded: pairs | pairs >> 16)
    }

    @inline(__always)
    private static func unpacked(_ four: UInt32) -> UInt64 {
        let pairs = (UInt64(four) | UInt64(four) << 16) & 0x0000_ffff_0000_ffff
        let bytes = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff
        let digits = (bytes >> 4 | bytes << 8) & all(0x0f)
        // From ten on, "a" - 10 instead of "0".
        return digits &+ all(0x30) &+ ((digits &+ all(6)) >> 4 & all(1)) &* 39
    }
}
