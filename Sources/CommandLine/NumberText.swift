internal import Problems

/// `1234567` as `1,234,567`.
public func grouped(_ value: Int64, separator: String = ",") -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text += separator }
        text.append(digit)
    }
    return (value < 0 ? "-" : "") + text
}

/// Cents as dollars with two decimals.
public func dollars(_ cents: Int64, separator: String = ",") -> String {
    let (whole, part) = cents.magnitude.quotientAndRemainder(dividingBy: 100)
    let text = grouped(Int64(whole), separator: separator) + "." + (part < 10 ? "0" : "") + "\(part)"
    return (cents < 0 ? "-" : "") + text
}

/// A number with a fixed count of decimals (0…9), rounded half away from zero; `-` where there is no number.
public func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite, abs(value) < 9e9 else { return value.isFinite ? "\(value)" : "-" }
    var factor: Double = 1
    for _ in 0..<decimals { factor *= 10 }
    let scaled = (abs(value) * factor).rounded(.toNearestOrAwayFromZero)
    let digits = String(UInt64(scaled))
    let filled = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return sign + filled }
    return sign + filled.dropLast(decimals) + "." + filled.suffix(decimals)
}

/// Bytes in powers of 1024: `512 B`, `1.5 GiB`.
public func byteText(_ bytes: Int64) -> String {
    var value = Double(bytes)
    var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
    while abs(value) >= 1024, units.count > 1 {
        value /= 1024
        units = units.dropFirst()
    }
    return units.startIndex == 0 ? "\(bytes) B" : "\(fixed(value, decimals: 1)) \(units[units.startIndex])"
}

/// A length of time as it may be written in options: `250ms`, `1.5s`, `2m5s`, `3h10m`, `2d4h`; two units at most.
public func durationText(ms: Int64) -> String {
    let sign = ms < 0 ? "-" : ""
    let ms = Int64(clamping: ms.magnitude)
    switch ms {
    case ..<1000: return sign + "\(ms)ms"
    case ..<60_000:
        let tenths = ms / 100
        return sign + (tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s")
    default:
        let seconds = ms / 1000
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24)
        let (minutes, rest) = (seconds / 60 % 60, seconds % 60)
        let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")].drop { $0.0 == 0 }.prefix(2)
        return sign + parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}

/// Text that is one line and cannot act upon a terminal: line breaks and tabs become blanks, other control characters their pictures, and
/// what has none an escape.
public func printable(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in (0x20...0x7E).contains(byte) }
    if isPlain { return text }
    var output = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: output.append(" ")
        case 0..<0x20: output.append(Unicode.Scalar(0x2400 + scalar.value)!)
        case 0x7F: output.append("\u{2421}")
        default: output.append(scalar)
        }
    }
    return visible(String(output))
}
