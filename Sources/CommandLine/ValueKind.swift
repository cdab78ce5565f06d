public import Problems

/// What an option or argument may hold: it decides how text is read, what completion offers and what an error says.
public enum ValueKind: Sendable {
    case text
    case bool
    case integer(ClosedRange<Int64>)
    case number(ClosedRange<Double>)
    /// One of the names, to the letter.
    case choice([String])
    /// Milliseconds: `5s`, `1m30s`.
    case duration
    /// Records a second: `1000/s`.
    case rate
    /// Event time against processing time: `60x`.
    case speed
    /// A share from 0 to 1: `1%`, `0.01`.
    case percentage
    /// Bytes: `64K`, `4GiB`.
    case size
    case time
    /// A file that is read.
    case file
    /// A file that is written, and so none of those that the same command line reads; `-` where the command says so.
    case output
    case directory
    /// A form of its own (`ramp:10..5000/60s`); the check throws `Problem(.usage)` that says what is wrong and how to write it.
    case custom(@Sendable (String) throws(Problem) -> Void)

    /// Any whole number of at least 0.
    public static let count = ValueKind.integer(0...Int64.max)
    /// Any whole number of at least 1.
    public static let positive = ValueKind.integer(1...Int64.max)

    /// Reads `text` as this kind.
    ///
    /// - Throws: `Problem(.usage)` without the option's name, which the caller knows.
    public func read(_ text: String) throws(Problem) -> ReadValue {
        switch self {
        case .text:
            // As a variable of the environment that is empty counts as none: behind an empty word of a command line stands most often an
            // empty variable of a script.
            guard !text.isEmpty else {
                throw Problem(.usage, "the value is empty", hint: "Write one, or leave it out.")
            }
            return .text(text)
        case .file, .output, .directory:
            guard !text.isEmpty else { throw Problem(.usage, "the path is empty", hint: "Name a file or folder.") }
            return .text(text)
        case .bool: return .bool(try ValueText.bool(text))
        case .integer(let range):
            let number = try ValueText.integer(text)
            guard range.contains(number) else { throw outOfRange(text, range.lowerBound, range.upperBound, .min, .max) }
            return .integer(number)
        case .number(let range):
            let number = try ValueText.number(text)
            guard range.contains(number) else {
                throw outOfRange(text, range.lowerBound, range.upperBound, -.infinity, .infinity)
            }
            return .number(number)
        case .choice(let names):
            guard names.contains(text) else {
                let list = "One of: \(names.joined(separator: ", "))."
                let near = nearestName(to: text, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
                throw Problem(.usage, "there is no \"\(text)\"", hint: near + list)
            }
            return .text(text)
        case .duration: return .integer(try ValueText.durationMs(text))
        case .rate: return .number(try ValueText.rate(text))
        case .speed: return .number(try ValueText.speed(text))
        case .percentage: return .number(try ValueText.share(text))
        case .size: return .integer(try ValueText.sizeBytes(text))
        case .time: return .time(try TimeText(text))
        case .custom(let check):
            try check(text)
            return .text(text)
        }
    }

    /// The names that completion offers, where there are such.
    public var choices: [String]? {
        switch self {
        case .choice(let names): names
        case .bool: ["true", "false"]
        default: nil
        }
    }

    private func outOfRange<Number: Comparable>(
        _ text: String, _ low: Number, _ high: Number, _ least: Number, _ most: Number
    ) -> Problem {
        let bounds =
            switch (low > least, high < most) {
            case (true, true): "from \(low) to \(high)"
            case (true, false): "of at least \(low)"
            default: "of at most \(high)"
            }
        return Problem(.usage, "\"\(text)\" is out of range", hint: "Write a number \(bounds).")
    }
}

/// A value after it was read by its kind.
public enum ReadValue: Sendable, Hashable {
    case text(String)
    case bool(Bool)
    /// Whole numbers, milliseconds of durations, bytes of sizes.
    case integer(Int64)
    /// Numbers, records a second, speeds, shares.
    case number(Double)
    case time(TimeText)
}
