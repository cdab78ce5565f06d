internal import CByteScan

/// Places as well-known text: `POINT (-87.6262149064 41.8925077809)`, longitude first.
enum PointText {
    private static let longitude = NumberRule(.pickupLongitude)!
    private static let latitude = NumberRule(.pickupLatitude)!

    /// Whether a text is a point that lies nowhere on Earth. Text that is no point is not.
    @inline(__always)
    static func isOutOfRange(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        taxi_is_plain_point(text, length) == 0 && isOddOutOfRange(text, length)
    }

    @inline(never)
    private static func isOddOutOfRange(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        var at = 0
        func skipBlanks() {
            while at < length, text[at] == 0x20 || text[at] == 0x09 { at += 1 }
        }
        func number() -> DecimalNumber? {
            let start = at
            while at < length, text[at] > 0x20, text[at] != UInt8(ascii: ")") { at += 1 }
            return at > start ? DecimalNumber(text + start, at - start, allowsSeparators: false) : nil
        }
        let word: StaticString = "point"
        while at < 5 {
            guard at < length, text[at] | 0x20 == word.utf8Start[at] else { return false }
            at += 1
        }
        skipBlanks()
        guard at < length, text[at] == UInt8(ascii: "(") else { return false }
        at += 1
        skipBlanks()
        guard let x = number() else { return false }
        skipBlanks()
        guard let y = number() else { return false }
        skipBlanks()
        guard at == length - 1, text[at] == UInt8(ascii: ")") else { return false }
        var isRounded = false
        return longitude.cell(of: x, isRounded: &isRounded) == WallTime.outOfRange
            || latitude.cell(of: y, isRounded: &isRounded) == WallTime.outOfRange
    }
}

extension TripField {
    /// Whether the column holds places as well-known text.
    var isPlace: Bool { self == .pickupLocation || self == .dropoffLocation }
}
