/// A length of time as people write it, in milliseconds: one or more of `7d`, `1h`, `30m`, `5s`, `250ms`, largest first, without blanks.
///
/// Nil for anything else, a unit twice or out of order, and what does not fit 64 bits.
public func parseDurationMs(_ text: some StringProtocol) -> Int64? {
    let units: [(name: String, ms: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]
    var rest = Substring(text)
    var (total, next): (Int64, Int) = (0, 0)
    while !rest.isEmpty {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(digits.count)
        let word = rest.prefix { $0.isASCII && $0.isLetter }
        rest = rest.dropFirst(word.count)
        guard let count = Int64(digits), let unit = units.firstIndex(where: { $0.name == word }), unit >= next else {
            return nil
        }
        let (product, tooLong) = count.multipliedReportingOverflow(by: units[unit].ms)
        let (sum, tooLongTogether) = total.addingReportingOverflow(product)
        if tooLong || tooLongTogether { return nil }
        (total, next) = (sum, unit + 1)
    }
    return next == 0 ? nil : total
}

/// The shortest text that `parseDurationMs` reads as this many milliseconds; not negative.
public func durationText(ms: Int64) -> String {
    if ms == 0 { return "0s" }
    var (text, rest) = ("", ms)
    for (name, size) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= size { text += "\(rest / size)\(name)" }
        rest %= size
    }
    return text
}
