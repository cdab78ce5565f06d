/// A length of time as people write it, in milliseconds: one or more of `7d`, `1h`, `30m`, `5s`, `250ms`, largest first, without blanks.
///
/// Nil for anything else, a unit twice or out of order, and what does not fit 64 bits.
///
/// - Parameter fractions: whether `1.5h` is one as well; parts of a millisecond are none.
public func parseDurationMs(_ text: some StringProtocol, fractions: Bool = false) -> Int64? {
    var rest = Substring(text)
    var (total, next): (Int64, Int) = (0, 0)
    while !rest.isEmpty {
        let digits = rest.prefix { $0.isASCII && ($0.isNumber || fractions && $0 == ".") }
        rest = rest.dropFirst(digits.count)
        let word = rest.prefix { $0.isASCII && $0.isLetter }
        rest = rest.dropFirst(word.count)
        guard let unit = durationUnits.firstIndex(where: { $0.name == word }), unit >= next,
            let product = product(digits, durationUnits[unit].ms)
        else { return nil }
        let (sum, overflow) = total.addingReportingOverflow(product)
        if overflow { return nil }
        (total, next) = (sum, unit + 1)
    }
    return next == 0 ? nil : total
}

/// The shortest text that `parseDurationMs` reads as this many milliseconds; not negative.
public func durationText(ms: Int64) -> String {
    if ms == 0 { return "0s" }
    var (text, rest) = ("", ms)
    for (name, size) in durationUnits {
        if rest >= size { text += "\(rest / size)\(name)" }
        rest %= size
    }
    return text
}

/// A length of time for people to read: `250ms`, `1.5s`, `2m5s`, `3h10m`, `2d4h`; two units at most.
public func roundedDurationText(ms: Int64) -> String {
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

private let durationUnits: [(name: String, ms: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
]

/// So many units; nil where that is no whole number of 64 bits.
private func product(_ digits: Substring, _ unit: Int64) -> Int64? {
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = Int64(parts[0]) else { return nil }
    let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
    guard !overflow, parts.count == 2 else { return overflow ? nil : product }
    guard !parts[1].isEmpty else { return nil }
    let fraction = parts[1].prefix(through: parts[1].lastIndex { $0 != "0" } ?? parts[1].startIndex)
    // No unit has ten digits behind the point that are whole milliseconds.
    guard fraction.count < 10, let number = Int64(fraction) else { return nil }
    var scale: Int64 = 1
    for _ in fraction { scale *= 10 }
    guard number * unit % scale == 0 else { return nil }
    let (sum, isOver) = product.addingReportingOverflow(number * unit / scale)
    return isOver ? nil : sum
}
