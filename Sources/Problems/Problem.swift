/// A failure told to a person: what was wrong, where, and what to do next.
///
/// Every module throws this one type for what the user or the world did; commands print it and end with its exit code.
/// Callers and tests switch on `code`, never on the text.
public struct Problem: Error, Sendable {
    /// The exit codes of sysexits.h, and that of a shell after Ctrl-C.
    public enum Code: Int32, Sendable {
        /// The command line or a declaration asks for something that does not exist.
        case usage = 64
        /// The input is not what it should be.
        case badData = 65
        case noInput = 66
        case unavailable = 69
        /// Our own mistake.
        case software = 70
        case cannotCreate = 73
        case inputOutput = 74
        case tryAgain = 75
        case noPermission = 77
        case configuration = 78
        /// Somebody asked for the end (Ctrl-C, SIGTERM) while nothing could be given yet.
        case interrupted = 130
    }

    public var code: Code
    /// Lower case, no final period, the user's own text in double quotes.
    public var message: String
    public var location: InputLocation?
    /// What to do, as a sentence.
    public var hint: String?
    /// The line that `location` names, printed with a caret below its column.
    public var sourceLine: String?
    /// Where in `sourceLine` the caret stands, where that is only a part of the line; nil for the column of `location`.
    public var sourceColumn: Int?
    /// Further problems of the same input; a file that a person wrote is checked whole.
    public var others: [Problem]
    /// Of an input that was given up: of how many records how many were bad.
    public var rejects: Rejects?

    public struct Rejects: Sendable, Equatable {
        public var records: Int
        public var byReason: [String: Int]
        public init(records: Int, byReason: [String: Int]) { (self.records, self.byReason) = (records, byReason) }
    }

    public init(
        _ code: Code, _ message: String, at location: InputLocation? = nil, hint: String? = nil,
        sourceLine: String? = nil, sourceColumn: Int? = nil, others: [Problem] = []
    ) {
        (self.code, self.message, self.location, self.hint) = (code, message, location, hint)
        (self.sourceLine, self.sourceColumn, self.others) = (sourceLine, sourceColumn, others)
    }
}

extension Problem: CustomStringConvertible {
    public var description: String {
        // Names, headers and lines of the user's are among these: none of them may act upon a terminal, or begin a line of its own.
        var text = (location.map { "\($0): " } ?? "") + "error: " + Self.visibleLines(message)
        if let sourceLine, let location {
            let number = "\(location.line)"
            text += "\n\(number) | \(visible(sourceLine))\n"
            text += String(repeating: " ", count: number.count) + " | "
            text += Self.blanks(to: sourceColumn ?? location.column, of: sourceLine) + "^"
        }
        if let hint { text += "\nhint: " + Self.visibleLines(hint) }
        for other in others { text += "\n\(other)" }
        return text
    }

    /// A message may have further lines, which are indented; a line break in a name begins none.
    private static func visibleLines(_ message: String) -> String {
        message.split(separator: "\n  ", omittingEmptySubsequences: false).map { visible(String($0)) }
            .joined(separator: "\n  ")
    }

    /// What stands above the caret: blanks for whatever of the line is shown before the column, tabs for tabs.
    private static func blanks(to column: Int, of line: String) -> String {
        let before = line.utf8.prefix(max(0, column - 1))
        let beyond = String(repeating: " ", count: max(0, column - 1 - before.count))
        return visible(String(decoding: before, as: UTF8.self)).map { $0 == "\t" ? "\t" : " " }.joined() + beyond
    }
}

/// A place in a file that somebody wrote; line and column count from 1, the column in UTF-8 bytes.
public struct InputLocation: Sendable, Hashable, CustomStringConvertible {
    public var file: String
    public var line: Int
    public var column: Int
    public init(file: String, line: Int, column: Int) {
        (self.file, self.line, self.column) = (file, line, column)
    }
    public var description: String { "\(visible(file)):\(line):\(column)" }
}
