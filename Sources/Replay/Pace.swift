import Foundation
public import Problems

/// What decides when a record is sent.
public enum Pace: Sendable, Equatable {
    /// As fast as it goes.
    case unlimited
    /// Records a second.
    case shaped(RateShape)
    /// The trips' own time, so many times as fast: a record is due at (its event time - the first one's) / factor.
    case eventTime(factor: Double)
}

extension Pace {
    /// Reads what `--rate`, `--shape`, `--speed` and `--max` say; with none of them a replay is unlimited.
    ///
    ///     --rate 1000/s | 60/min | 10k/s | max
    ///     --shape constant | ramp:10..5000/60s | sine:100..900/5m | burst:5000x2s/30s
    ///     --speed 60x
    ///
    /// `constant` takes its rate from `--rate`; `burst` adds to it (0 where it is not given); ramp and sine bring their own.
    ///
    /// - Parameter speed: above 0 and up to `greatestFactor`.
    /// - Throws: `Problem(.usage)` for a text that cannot be read, and for options that exclude each other.
    public static func parse(rate: String?, shape: String?, speed: Double?, unlimited: Bool) throws(Problem) -> Pace {
        let given = [(rate != nil || shape != nil, "--rate"), (speed != nil, "--speed"), (unlimited, "--max")]
            .filter(\.0).map(\.1)
        guard given.count <= 1 else {
            throw Problem(
                .usage, "\(given.joined(separator: " and ")) exclude each other",
                hint: "Keep one of them: records a second, event time sped up, or as fast as it goes.")
        }
        if let speed { return .eventTime(factor: speed) }
        if shape == nil, rate == "max" { return .unlimited }
        if let shape { return .shaped(try RateShape.parse(shape, rate: rate)) }
        if let rate { return .shaped(.constant(try RateShape.parseRate(rate))) }
        return .unlimited
    }

    /// Reads one text as `produce --set-rate` takes it: a rate, a shape, a speed (`60x`) or `max`.
    public static func parse(_ text: String) throws(Problem) -> Pace {
        if text == "max" { return .unlimited }
        if text.hasSuffix("x"), !text.contains(":") {
            guard let factor = plainNumber(String(text.dropLast())), factor > 0, factor <= greatestFactor else {
                throw Problem(
                    .usage, "speed \"\(text)\" is not a factor above 0 and up to a billion",
                    hint: "Write it as 60x: a minute of trips each second.")
            }
            return .eventTime(factor: factor)
        }
        if text.contains(":") { return .shaped(try RateShape.parse(text, rate: nil)) }
        return .shaped(.constant(try RateShape.parseRate(text)))
    }

    /// How many times as fast as life a replay can be asked to be: thirty years pass in a second.
    public static let greatestFactor = 1e9

    /// Whether records wait for their time.
    public var isPaced: Bool { self != .unlimited }
}

extension RateShape {
    /// Reads a `--shape` text; see `Pace.parse`.
    public static func parse(_ text: String, rate: String?) throws(Problem) -> RateShape {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let arguments = parts.count > 1 ? parts[1] : nil
        switch (parts[0], arguments) {
        case ("constant", nil):
            guard let rate else {
                throw Problem(.usage, "shape \"constant\" has no rate", hint: "Add one, such as --rate 1000/s.")
            }
            return .constant(try parseRate(rate))
        case ("ramp", let arguments?):
            let (from, to, overNs) = try parseSpan(arguments, of: text, example: "ramp:10..5000/60s", rate: rate)
            return .ramp(from: from, to: to, overNs: overNs)
        case ("sine", let arguments?):
            let (least, greatest, periodNs) = try parseSpan(
                arguments, of: text, example: "sine:100..900/5m", rate: rate)
            guard least <= greatest else {
                throw Problem(.usage, "shape \"\(text)\" has its least rate above its greatest", hint: "Swap the two.")
            }
            return .sine(least: least, greatest: greatest, periodNs: periodNs)
        case ("burst", let arguments?):
            return try parseBurst(arguments, of: text, rate: rate)
        case (let name, _):
            let known = ["constant", "ramp", "sine", "burst"]
            let example = "--shape ramp:10..5000/60s, sine:100..900/5m or burst:5000x2s/30s"
            if known.contains(name) {
                throw Problem(.usage, "shape \"\(text)\" cannot be read", hint: "Write it as in \(example).")
            }
            throw Problem(
                .usage, "unknown shape \"\(name)\"",
                hint: nearestName(to: name, among: known).map { "Did you mean \"\($0)\"?" } ?? "Use \(example).")
        }
    }

    /// Reads `1000/s`, `1000` (a second), `60/min`, `10k/s` or `2.5/h`.
    ///
    /// - Throws: `Problem(.usage)` for anything else, and for a rate that is not above 0.
    public static func parseRate(_ text: String) throws(Problem) -> Double {
        guard let rate = recordsPerSecond(text), rate > 0 else {
            throw Problem(
                .usage, "rate \"\(text)\" is not a number of records above 0 and up to a billion a second",
                hint: "Write it as 1000/s, 60/min or 10k/s; --max is as fast as it goes.")
        }
        return rate
    }

    /// `A..B/DURATION`
    private static func parseSpan(
        _ arguments: String, of text: String, example: String, rate: String?
    ) throws(Problem) -> (Double, Double, Int64) {
        guard rate == nil else {
            throw Problem(
                .usage, "--rate has no meaning with shape \"\(text)\"",
                hint: "The shape brings its own rates: leave --rate out.")
        }
        if let slash = arguments.firstIndex(of: "/"), let dots = arguments.range(of: ".."), dots.upperBound <= slash,
            let from = recordsPerSecond(String(arguments[..<dots.lowerBound])),
            let to = recordsPerSecond(String(arguments[dots.upperBound..<slash])),
            let ns = durationNs(String(arguments[arguments.index(after: slash)...])), ns > 0, from + to > 0
        {
            return (from, to, ns)
        }
        throw Problem(
            .usage, "shape \"\(text)\" cannot be read", hint: "Write it as in \(example), rates in records a second.")
    }

    /// `EXTRAxLENGTH/EVERY`
    private static func parseBurst(_ arguments: String, of text: String, rate: String?) throws(Problem) -> RateShape {
        let base: Double
        if let rate { base = try parseRate(rate) } else { base = 0 }
        if let cross = arguments.firstIndex(of: "x"), let slash = arguments.firstIndex(of: "/"), cross < slash,
            let extra = recordsPerSecond(String(arguments[..<cross])), extra > 0,
            let lengthNs = durationNs(String(arguments[arguments.index(after: cross)..<slash])), lengthNs > 0,
            let everyNs = durationNs(String(arguments[arguments.index(after: slash)...])), everyNs >= lengthNs
        {
            return .burst(base: base, extra: extra, lengthNs: lengthNs, everyNs: everyNs)
        }
        throw Problem(
            .usage, "shape \"\(text)\" cannot be read",
            hint: "Write it as in burst:5000x2s/30s: 5000 records a second more for the first 2 seconds of every 30.")
    }
}

// MARK: - Numbers with units

/// `1000/s`, `1000`, `60/min`, `10k/s`; nil where it is something else or beyond a billion a second.
private func recordsPerSecond(_ text: String) -> Double? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let first = parts.first else { return nil }
    let units: [String: Double] = [
        "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
    ]
    guard let divisor = parts.count == 1 ? 1 : units[parts[1]] else { return nil }
    let factors: [Character: Double] = ["k": 1e3, "K": 1e3, "M": 1e6]
    let factor = first.last.flatMap { factors[$0] }
    let number = plainNumber(factor == nil ? first : String(first.dropLast()))
    return number.map { $0 * (factor ?? 1) / divisor }.flatMap { $0 <= 1e9 ? $0 : nil }
}

/// `250ms`, `60s`, `5m`, `1.5h`, `2d` in nanoseconds.
private func durationNs(_ text: String) -> Int64? {
    let units: [String: Double] = ["ms": 1e6, "s": 1e9, "m": 60e9, "min": 60e9, "h": 3600e9, "d": 86400e9]
    let digits = text.prefix { $0.isNumber || $0 == "." }
    guard let unit = units[String(text.dropFirst(digits.count))], let number = plainNumber(String(digits)) else {
        return nil
    }
    let ns = number * unit
    return ns < 9e18 ? Int64(ns.rounded()) : nil
}

/// A decimal number as a person writes it, with `_` or `,` between thousands; no exponent, no sign, not "inf" or "nan".
private func plainNumber(_ text: String) -> Double? {
    let digits = text.filter { $0 != "_" && $0 != "," }
    guard let first = digits.utf8.first, first != UInt8(ascii: "."),
        digits.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || (48...57).contains($0) })
    else { return nil }
    return Double(digits).flatMap { $0.isFinite ? $0 : nil }
}
