import Basics
public import Problems

/// What people write for numbers, durations, rates and sizes, read strictly.
///
/// Every function throws `Problem(.usage)` whose message names the text and whose hint shows how to write it; whoever
/// knows the option or the line of taxi.yaml adds that.
public enum ValueText {
    /// A whole number: `5000`, `1_000_000`, `10k`, `2M`, `1G` (decimal thousands), with an optional sign.
    public static func integer(_ text: String) throws(Problem) -> Int64 {
        let hint = "Write a whole number: 500, 1_000_000, 10k, 2M."
        var digits = Substring(text)
        let factor: Int64 =
            switch digits.last {
            case "k", "K": 1000
            case "M": 1_000_000
            case "G": 1_000_000_000
            default: 1
            }
        if factor != 1 { digits = digits.dropLast() }
        let isTidy = digits.last?.isNumber == true && !digits.hasPrefix("_") && !digits.contains("__")
        guard isTidy, let number = Int64(digits.filter { $0 != "_" }) else {
            throw Problem(.usage, "\"\(text)\" is not a whole number", hint: hint)
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw Problem(.usage, "\"\(text)\" is too large a number", hint: hint) }
        return product
    }

    /// A finite decimal number: `0.5`, `1000`, `10k`.
    public static func number(_ text: String) throws(Problem) -> Double {
        guard let number = plainNumber(Substring(text)) else {
            throw Problem(.usage, "\"\(text)\" is not a number", hint: "Write a number: 0.5, 12, 1_000, 10k.")
        }
        return number
    }

    /// `true`, `yes`, `on`, `1` and their opposites, whatever the case.
    public static func bool(_ text: String) throws(Problem) -> Bool {
        switch text.lowercased() {
        case "true", "yes", "on", "1": return true
        case "false", "no", "off", "0": return false
        default: throw Problem(.usage, "\"\(text)\" is neither true nor false", hint: "Write true or false.")
        }
    }

    /// Milliseconds of `50ms`, `5s`, `1m30s`, `2h`, `7d`, `1.5h`; `0` needs no unit. Units fall from left to right.
    public static func durationMs(_ text: String) throws(Problem) -> Int64 {
        if text == "0" { return 0 }
        // 2^53 ms are 285,000 years: beyond it neither a Double nor anybody's schedule is exact.
        guard let ms = parseDurationMs(text, fractions: true), ms < 1 << 53 else {
            throw Problem(
                .usage, "\"\(text)\" is not a duration",
                hint: "Write a number and a unit (ms, s, m, h, d): 50ms, 5s, 1m30s, 2h, 7d.")
        }
        return ms
    }

    /// Records a second of `1000/s`, `1000`, `10/m`, `0.5/s`, `10k/s`; more than 0.
    public static func rate(_ text: String) throws(Problem) -> Double {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let seconds: Double? =
            switch parts.count == 2 ? parts[1] : "s" {
            case "s", "sec", "second": 1
            case "m", "min", "minute": 60
            case "h", "hour": 3600
            default: nil
            }
        guard let seconds, let number = plainNumber(parts[0]), number > 0 else {
            throw Problem(
                .usage, "\"\(text)\" is not a rate",
                hint: "Write records per second, minute or hour, above 0: 1000/s, 10/m, 0.5/s.")
        }
        return number / seconds
    }

    /// How many seconds of event time pass in a second: `60x`, `0.5x`; more than 0 and up to a billion.
    public static func speed(_ text: String) throws(Problem) -> Double {
        guard let number = plainNumber(text.hasSuffix("x") ? text.dropLast() : Substring(text)), number > 0,
            number <= 1e9
        else {
            throw Problem(
                .usage, "\"\(text)\" is not a speed",
                hint: "Write how many times faster than life, above 0 and up to a billion: 60x, 0.5x.")
        }
        return number
    }

    /// A share from 0 to 1: `1%` and `0.01` are the same.
    public static func share(_ text: String) throws(Problem) -> Double {
        let isPercent = text.hasSuffix("%")
        guard let number = plainNumber(isPercent ? text.dropLast() : Substring(text)) else {
            throw Problem(.usage, "\"\(text)\" is not a percentage", hint: "Write a share of the whole: 1% or 0.01.")
        }
        let share = isPercent ? number / 100 : number
        guard share <= 1 else {
            let hint = isPercent || number > 100 ? "Write at most 100%." : "Write \(text)% for \(text) of a hundred."
            throw Problem(.usage, "\"\(text)\" is more than the whole", hint: hint)
        }
        return share
    }

    /// Bytes of `512`, `64K`, `4GiB` (powers of 1024) or `10MB` (powers of 1000).
    public static func sizeBytes(_ text: String) throws(Problem) -> Int64 {
        let problem = Problem(
            .usage, "\"\(text)\" is not a size",
            hint: "Write bytes with K, M, G, T (or KiB …) for powers of 1024, KB, MB … for powers of 1000: 64K, 4GiB.")
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "_") }
        guard let number = plainNumber(digits) else { throw problem }
        let unit = text.dropFirst(digits.count).uppercased()
        var power = 0
        var base: Double = 1024
        if !unit.isEmpty, unit != "B" {
            guard let index = Array("KMGT").firstIndex(of: unit.first!) else { throw problem }
            power = index + 1
            switch unit.dropFirst() {
            case "", "IB": break
            case "B": base = 1000
            default: throw problem
            }
        }
        var bytes = number
        for _ in 0..<power { bytes *= base }
        guard bytes == bytes.rounded(), bytes < 0x1p53 else { throw problem }
        return Int64(bytes)
    }

    /// Digits with at most one point, `_` between digits and an optional `k` or `M`: neither sign, exponent, `inf` nor `nan`.
    private static func plainNumber(_ text: Substring) -> Double? {
        var digits = text
        let factor: Double = digits.last == "k" ? 1000 : digits.last == "M" ? 1_000_000 : 1
        if factor != 1 { digits = digits.dropLast() }
        guard let first = digits.utf8.first, let last = digits.utf8.last, isDigit(first), isDigit(last) else {
            return nil
        }
        guard digits.utf8.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }) else {
            return nil
        }
        guard let number = Double(digits.filter { $0 != "_" }).map({ $0 * factor }), number.isFinite else { return nil }
        return number
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
