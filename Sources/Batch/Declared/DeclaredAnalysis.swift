public import Problems

/// An analysis that is one SELECT in a file with a header, run once a period.
///
///     -- name: night_fares
///     -- about: trips and fares of the hours from ten to six
///     -- by: month, year
///     -- columns: trips, fare
///     SELECT sum(trips) AS trips, round(sum(fare), 2) AS fare FROM hourofweekbyday
///     WHERE day >= :from AND day < :until AND (hour_of_week % 24 >= 22 OR hour_of_week % 24 < 6)
///
/// The header is the comment lines before the statement. `name` and `columns` are needed; `by` is all kinds unless said,
/// `key` (which columns name a row of a period, for comparisons) is the first column.
public struct DeclaredAnalysis: Sendable, Equatable {
    /// Also the name of its view.
    public var name: String
    public var about: String
    public var kinds: [PeriodKind]
    public var columns: [String]
    public var keys: [String]
    /// The whole text of the file: SQLite skips comments, and places in the text are places in the file.
    public var sql: String
    /// The path, or what stands for one in messages.
    public var file: String
    /// Where `columns` stands in the file, from 1.
    var columnsLine = 1

    var table: String { "batch_\(name)" }

    /// What a statement may ask for with `:name`: local days as `2024-03-01`, each interval half-open.
    static let parameters = [
        ":from", ":until", ":before_from", ":before_until", ":year_before_from", ":year_before_until", ":period",
        ":kind",
    ]

    /// A place in the file, from the byte offset (from 0) that SQLite names.
    func problem(_ message: String, atByte offset: Int?, hint: String? = nil) -> Problem {
        let before = Array(sql.utf8.prefix(offset ?? 0))
        let line = before.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
        let column = before.count - (before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0) + 1
        return problem(message, line: line, column: column, hint: hint)
    }

    func problem(_ message: String, line: Int, column: Int = 1, hint: String? = nil) -> Problem {
        Self.problem(message, in: sql, file: file, line: line, column: column, hint: hint)
    }

    fileprivate static func problem(
        _ message: String, in text: String, file: String, line: Int, column: Int = 1, hint: String? = nil
    ) -> Problem {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return Problem(
            .configuration, message, at: InputLocation(file: file, line: line, column: column), hint: hint,
            sourceLine: line <= lines.count ? String(lines[line - 1]) : nil)
    }
}

extension DeclaredAnalysis {
    /// Reads a file's header.
    ///
    /// - Throws: `Problem(.configuration)` with the first thing that is wrong and all further ones in `others`.
    public static func parse(_ text: String, file: String) throws(Problem) -> DeclaredAnalysis {
        var problems: [Problem] = []
        func add(_ message: String, line: Int, hint: String? = nil) {
            problems.append(problem(message, in: text, file: file, line: line, hint: hint))
        }
        var header: [String: (value: String, line: Int)] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = trimmed(line)
            if line.isEmpty { continue }
            guard line.hasPrefix("--") else { break }
            guard let (key, value) = entry(line.dropFirst(2)) else { continue }
            if !headerKeys.contains(key) {
                let near = nearestName(to: key, among: headerKeys).map { "Did you mean \"\($0)\"? " } ?? ""
                add("unknown entry \"\(key)\"", line: index + 1, hint: near + "Known: \(listed(headerKeys)).")
            } else if header.updateValue((value, index + 1), forKey: key) != nil {
                add("\"\(key)\" is here twice", line: index + 1)
            }
        }
        func words(_ key: String) -> [String] {
            (header[key]?.value ?? "").split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
        }
        for key in ["name", "columns"] where words(key).isEmpty {
            add("the header has no \"\(key)\"", line: 1, hint: "Begin the file with a line such as -- \(key): …")
        }
        let name = header["name"]?.value ?? ""
        if let line = header["name"]?.line, !isName(name) || isTaken(name) {
            add(
                isName(name) ? "the name \"\(name)\" is taken" : "\"\(name)\" cannot be the name of an analysis",
                line: line,
                hint:
                    "Use lower-case letters, digits and \"_\", with a letter first, and no name of taxi-cli's own tables."
            )
        }
        let columns = words("columns")
        for column in columns where !isName(column) || ["period_kind", "period", "partial"].contains(column) {
            add(
                "\"\(column)\" cannot be a column", line: header["columns"]?.line ?? 1,
                hint: "period_kind, period and partial are added to each row; the others are lower-case words.")
        }
        if Set(columns).count < columns.count {
            add("a column is here twice", line: header["columns"]?.line ?? 1)
        }
        for key in words("key") where !columns.contains(key) {
            add("the key \"\(key)\" is none of the columns", line: header["key"]?.line ?? 1)
        }
        var kinds: [PeriodKind] = []
        for word in words("by") {
            if let kind = PeriodKind(rawValue: word) {
                kinds.append(kind)
            } else {
                add(
                    "\"\(word)\" is no kind of period", line: header["by"]?.line ?? 1,
                    hint: "Known: month, quarter, year.")
            }
        }
        if var first = problems.first {
            first.others = Array(problems.dropFirst())
            throw first
        }
        var analysis = DeclaredAnalysis(
            name: name, about: header["about"]?.value ?? "", kinds: kinds.isEmpty ? PeriodKind.allCases : kinds,
            columns: columns, keys: words("key").isEmpty ? [columns[0]] : words("key"), sql: text, file: file)
        analysis.columnsLine = header["columns"]?.line ?? 1
        return analysis
    }

    private static let headerKeys = ["name", "about", "by", "columns", "key"]

    /// `key: value`, where the key is one word in lower case; other comments are for people.
    private static func entry(_ comment: Substring) -> (key: String, value: String)? {
        guard let colon = comment.firstIndex(of: ":") else { return nil }
        let key = trimmed(comment[..<colon])
        guard isName(key) else { return nil }
        return (key, trimmed(comment[comment.index(after: colon)...]))
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, 97...122 ~= first, text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy { 97...122 ~= $0 || 48...57 ~= $0 || $0 == UInt8(ascii: "_") }
    }

    private static func isTaken(_ name: String) -> Bool {
        Analysis.allCases.contains { $0.view == name || $0.rawValue == name }
            || ["all", "runs", "alerts", "ml_results", "workflow_runs", "workflow_steps", "vintages"].contains(name)
            || ["stored_", "keys_", "sqlite_", "batch_", "day_"].contains { name.hasPrefix($0) }
    }

    private static func listed(_ names: [String]) -> String { names.joined(separator: ", ") }
}
