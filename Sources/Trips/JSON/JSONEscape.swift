/// Text between the quotes of a JSON string.
enum JSONEscape {
    /// How many bytes a byte of text can become: `\u001f`.
    static let maximumGrowth = 6

    /// Writes text with quotes, backslashes and control characters escaped; returns the place after it.
    ///
    /// `out` has room for `maximumGrowth` bytes for each byte of text. Bytes outside ASCII are copied: the text is UTF-8.
    @inline(__always)
    static func write(
        _ text: UnsafePointer<UInt8>, _ length: Int, to out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        copyPlain(text, length, to: out) ? out + length : writeEscaped(text, length, to: out)
    }

    /// Copies text and says whether that was right, that is, whether no byte needed escaping.
    ///
    /// The last bytes are copied again with some before them, so that nothing is read or written outside the text.
    @inline(__always)
    private static func copyPlain(
        _ text: UnsafePointer<UInt8>, _ length: Int, to out: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        let (source, target) = (UnsafeRawPointer(text), UnsafeMutableRawPointer(out))
        if length >= 16 {
            var found = SIMD2<UInt64>.zero
            var at = 0
            repeat {
                let bytes = source.loadUnaligned(fromByteOffset: at, as: SIMD2<UInt64>.self)
                target.storeBytes(of: bytes, toByteOffset: at, as: SIMD2<UInt64>.self)
                found |= JSONWord.special(bytes)
                at &+= 16
            } while at <= length &- 16
            let bytes = source.loadUnaligned(fromByteOffset: length &- 16, as: SIMD2<UInt64>.self)
            target.storeBytes(of: bytes, toByteOffset: length &- 16, as: SIMD2<UInt64>.self)
            found |= JSONWord.special(bytes)
            return (found[0] | found[1]) & JSONWord.tops == 0
        }
        if length >= 8 {
            let first = source.loadUnaligned(as: UInt64.self)
            let last = source.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self)
            target.storeBytes(of: first, as: UInt64.self)
            target.storeBytes(of: last, toByteOffset: length &- 8, as: UInt64.self)
            return (JSONWord.special(first) | JSONWord.special(last)) & JSONWord.tops == 0
        }
        var found = false
        for at in 0..<length {
            let byte = text[at]
            out[at] = byte
            found = found || byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
        }
        return !found
    }

    @inline(never)
    private static func writeEscaped(
        _ text: UnsafePointer<UInt8>, _ length: Int, to out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var place = out
        func put(_ byte: UInt8) {
            place.pointee = byte
            place += 1
        }
        func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? nibble + 48 : nibble + 87 }
        for at in 0..<length {
            let byte = text[at]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                put(byte)
                continue
            }
            put(UInt8(ascii: "\\"))
            switch byte {
            case 0x08: put(UInt8(ascii: "b"))
            case 0x09: put(UInt8(ascii: "t"))
            case 0x0a: put(UInt8(ascii: "n"))
            case 0x0c: put(UInt8(ascii: "f"))
            case 0x0d: put(UInt8(ascii: "r"))
            case 0x00..<0x20:
                for digit in [UInt8(ascii: "u"), 48, 48, hex(byte >> 4), hex(byte & 15)] { put(digit) }
            default: put(byte)
            }
        }
        return place
    }

    /// Appends the text that an escaped string means. The string was checked by `JSONCursor.string()`.
    static func unescape(_ text: UnsafeBufferPointer<UInt8>, into bytes: inout [UInt8]) {
        var at = 0
        func unit(_ start: Int) -> UInt32 {
            text[start..<start + 4].reduce(0) { $0 << 4 | JSONWord.hexValue($1) }
        }
        while at < text.count {
            guard text[at] == UInt8(ascii: "\\") else {
                bytes.append(text[at])
                at += 1
                continue
            }
            let letter = text[at + 1]
            at += 2
            switch letter {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "n"): bytes.append(0x0a)
            case UInt8(ascii: "f"): bytes.append(0x0c)
            case UInt8(ascii: "r"): bytes.append(0x0d)
            case UInt8(ascii: "u"):
                var code = unit(at)
                at += 4
                if code & 0xfc00 == 0xd800 {
                    code = 0x10000 + (code & 0x3ff) << 10 | (unit(at + 2) & 0x3ff)
                    at += 6
                }
                if let scalar = Unicode.Scalar(code) { bytes.append(contentsOf: UTF8.encode(scalar)!) }
            default: bytes.append(letter)
            }
        }
    }
}

/// Eight bytes of text looked at together.
enum JSONWord {
    /// A one in each byte.
    static let ones: UInt64 = 0x0101_0101_0101_0101
    /// The top bit of each byte.
    static let tops: UInt64 = 0x8080_8080_8080_8080

    /// Sets the top bit of the lowest byte that is a quote, a backslash or a control character; other bits are noise, those above
    /// it and those below a byte's top.
    ///
    /// Source: Alan Mycroft's test for a zero byte (comp.lang.c, 1987): subtracting borrows from the byte's top only where it was zero
    /// or where a lower byte already was.
    @inline(__always)
    static func special(_ bytes: UInt64) -> UInt64 {
        let controls = bytes &- ones &* 0x20
        let quotes = (bytes ^ (ones &* 0x22)) &- ones
        let backslashes = (bytes ^ (ones &* 0x5c)) &- ones
        return (controls | quotes | backslashes) & ~bytes
    }

    /// The same for two words.
    @inline(__always)
    static func special(_ bytes: SIMD2<UInt64>) -> SIMD2<UInt64> {
        let controls = bytes &- SIMD2(repeating: ones &* 0x20)
        let quotes = (bytes ^ SIMD2(repeating: ones &* 0x22)) &- SIMD2(repeating: ones)
        let backslashes = (bytes ^ SIMD2(repeating: ones &* 0x5c)) &- SIMD2(repeating: ones)
        return (controls | quotes | backslashes) & ~bytes
    }

    /// 0…15 of a hexadecimal digit, 255 for any other byte.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt32 {
        if byte &- 48 < 10 { return UInt32(byte &- 48) }
        let letter = (byte | 0x20) &- 97
        return letter < 6 ? UInt32(letter) + 10 : 255
    }
}
