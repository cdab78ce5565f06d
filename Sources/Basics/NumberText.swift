/// `1234567` as `1,234,567`.
public func grouped(_ value: some BinaryInteger, separator: String = ",") -> String {
    grouped("\(value)", separator: separator)
}

/// The same of digits: `-1234567.50` as `-1,234,567.50`; what is no number stays as it is.
public func grouped(_ number: String, separator: String = ",") -> String {
    let isNegative = number.hasPrefix("-")
    let parts = number.dropFirst(isNegative ? 1 : 0).split(separator: ".", maxSplits: 1)
    guard let whole = parts.first, whole.allSatisfy(\.isNumber) else { return number }
    var text = ""
    for (index, digit) in whole.enumerated() {
        if index > 0, (whole.count - index) % 3 == 0 { text += separator }
        text.append(digit)
    }
    return (isNegative ? "-" : "") + text + (parts.count > 1 ? "." + parts[1] : "")
}

/// A number with a fixed count of decimals, rounded half away from zero; `-` where there is no number.
public func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return "-" }
    var factor: Double = 1
    for _ in 0..<decimals { factor *= 10 }
    let scaled = (value * factor).rounded(.toNearestOrAwayFromZero)
    guard abs(scaled) < 0x1p63 else { return "\(value)" }
    return decimalText(Int64(scaled), decimals: decimals)
}

/// A whole number of so many decimals: `1234` with 2 as `12.34`.
public func decimalText(_ value: Int64, decimals: Int) -> String {
    guard decimals > 0 else { return "\(value)" }
    let digits = String(value.magnitude)
    let filled = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return (value < 0 ? "-" : "") + filled.dropLast(decimals) + "." + filled.suffix(decimals)
}

/// Cents as dollars with two decimals.
public func dollars(_ cents: Int64, separator: String = ",") -> String {
    grouped(decimalText(cents, decimals: 2), separator: separator)
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
