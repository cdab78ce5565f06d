/// Well-formed UTF-8, one sequence at a time (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Sequence {
    /// Bytes of the sequence at `place`, or 0 where none is well formed before `end`. `place < end`.
    @inline(never)
    static func length(_ place: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Int {
        let lead = place.pointee
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch lead {
        case 0x00...0x7f: return 1
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        case 0xf1...0xf3: length = 4
        default: return 0
        }
        guard end - place >= length, second.contains(place[1]) else { return 0 }
        for index in 2..<max(length, 2) where place[index] & 0xc0 != 0x80 { return 0 }
        return length
    }

    /// The first byte that belongs to no well-formed sequence, or nil.
    static func firstFault(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UnsafePointer<UInt8>? {
        var place = start
        while place < end {
            let step = length(place, end)
            if step == 0 { return place }
            place += step
        }
        return nil
    }

    /// The first byte that is NUL or belongs to no well-formed sequence, or nil. Plain text is passed over eight bytes at a time.
    static func firstNoText(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> UnsafePointer<UInt8>? {
        var place = start
        while place < end {
            if end - place >= 8 {
                let word = UnsafeRawPointer(place).loadUnaligned(as: UInt64.self)
                if (word | (word &- JSONWord.ones)) & JSONWord.tops == 0 {
                    place += 8
                    continue
                }
            }
            let step = place.pointee == 0 ? 0 : length(place, end)
            if step == 0 { return place }
            place += step
        }
        return nil
    }
}
