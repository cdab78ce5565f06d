import Database
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
    /// Whether it comes with taxi-cli.
    public var isShipped: Bool { file == ShippedAnalyses.fileName }

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
        // By bytes: a CR and an LF are one Character, at which no text would be cut.
        let bytes = Array(text.utf8)
        var start = 0
        for _ in 1..<line { start = bytes[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count }
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let shown = shownLine(bytes[start..<end], around: column)
        return Problem(
            .configuration, message, at: InputLocation(file: file, line: line, column: column), hint: hint,
            sourceLine: shown.text, sourceColumn: shown.column)
    }
}

extension DeclaredAnalysis {
    /// Reads a file's header.
    ///
    /// - Throws: `Problem(.configuration)` with the first thing that is wrong and all further ones in `others`.
    public static func parse(_ text: String, file: String) throws(Problem) -> DeclaredAnalysis {
        let header = AnalysisHeader(text)
        var mistakes = header.mistakes
        func add(_ message: String, at word: AnalysisHeader.Word?, hint: String) {
            mistakes.append(.init(message: message, line: word?.line ?? 1, column: word?.column ?? 1, hint: hint))
        }
        for key in ["name", "columns"] where header.list(key).isEmpty {
            add("the header has no \"\(key)\"", at: nil, hint: "Begin the file with a line such as -- \(key): …")
        }
        if let name = header.value("name") {
            if !AnalysisHeader.isName(name.text) {
                add(
                    "\"\(name.text)\" cannot be the name of an analysis", at: name,
                    hint: "Use up to 64 lower-case letters, digits and \"_\", with a letter first.")
            } else if let reason = takenReason(name.text) {
                add("the name \"\(name.text)\" \(reason)", at: name, hint: "Give the analysis another name.")
            }
        }
        let columns = header.list("columns")
        for column in columns {
            if !AnalysisHeader.isName(column.text) || ownColumns.contains(column.text) {
                add(
                    "\"\(column.text)\" cannot be a column", at: column,
                    hint:
                        "\(ownColumns.joined(separator: ", ")) are added to each row; the others are lower-case words.")
            }
        }
        if columns.count > maximumColumns {
            add(
                "there are \(columns.count) columns", at: columns[maximumColumns],
                hint: "An analysis has at most \(maximumColumns).")
        }
        let known = Set(columns.map(\.text))
        for key in header.list("key") where !known.contains(key.text) {
            add("the key \"\(key.text)\" is none of the columns", at: key, hint: "Name columns that tell rows apart.")
        }
        let kinds = header.list("by")
        for word in kinds where PeriodKind(rawValue: word.text) == nil {
            add("\"\(word.text)\" is no kind of period", at: word, hint: "Known: month, quarter, year.")
        }
        for (what, words) in [("column", columns), ("key", header.list("key")), ("kind of period", kinds)] {
            var seen: Set<String> = []
            for word in words where !seen.insert(word.text).inserted {
                add("the \(what) \"\(word.text)\" is here twice", at: word, hint: "Leave one of them out.")
            }
        }
        var problems = ProblemList()
        for mistake in mistakes.prefix(ProblemList.limit) {
            problems.add(
                problem(
                    mistake.message, in: text, file: file, line: mistake.line, column: mistake.column,
                    hint: mistake.hint))
        }
        problems.leaveOut(mistakes.count - min(mistakes.count, ProblemList.limit))
        try problems.throwIfAny()
        let (names, keys) = (columns.map(\.text), header.list("key").map(\.text))
        var analysis = DeclaredAnalysis(
            name: header.value("name")?.text ?? "", about: header.value("about")?.text ?? "",
            kinds: kinds.isEmpty ? PeriodKind.allCases : kinds.compactMap { PeriodKind(rawValue: $0.text) },
            columns: names, keys: keys.isEmpty ? [names[0]] : keys, sql: text, file: file)
        analysis.columnsLine = columns[0].line
        return analysis
    }

    /// Reads the bytes of a file.
    ///
    /// - Throws: `Problem(.configuration)` at the first byte that is no UTF-8, and as the other.
    public static func parse(_ bytes: [UInt8], file: String) throws(Problem) -> DeclaredAnalysis {
        let text = String(decoding: bytes, as: UTF8.self)
        guard
            let place = zip(text.utf8, bytes).enumerated().first(where: { $1.0 != $1.1 })?.offset
                ?? (text.utf8.count == bytes.count ? nil : min(text.utf8.count, bytes.count))
        else { return try parse(text, file: file) }
        let before = bytes[..<place]
        throw problem(
            "this is not UTF-8", in: text, file: file, line: 1 + before.count { $0 == UInt8(ascii: "\n") },
            column: place - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1), hint: "Save the file as UTF-8.")
    }

    /// What each row of an analysis has besides; `row` is its number within the period.
    private static let ownColumns = ["period_kind", "period", "row", "partial"]
    /// A vintage keeps a row as one call of `json_object`, which takes 127 arguments.
    private static let maximumColumns = 60

    /// Why an analysis cannot have this name: words of the commands that take names of analyses come to what the database has.
    private static func takenReason(_ name: String) -> String? {
        let words = Analysis.allCases.map(\.rawValue) + ["all", "extract", "preprocess"]
        if words.contains(name) { return "is a word of batch" }
        // Its table would be one of batch_analyses, batch_vintage_rows and their like.
        if ["analyses", "vintage_views", "vintage_rows"].contains(name) { return "is taken in the database" }
        return TakenNames.isWordOfSQL(name) ? "is a word of SQL" : TakenNames.reason(name)
    }
}
