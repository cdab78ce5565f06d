import Problems
import SQLite
import Time

/// The rows of one declared analysis: `batch_<name>` and its view.
///
/// `batch_analyses` holds the text that the rows were computed by. Where a file says something else by now, its rows are
/// answers to another question, and go; the next run over all periods computes them anew.
struct DeclaredResults {
    let analysis: DeclaredAnalysis
    let connection: Connection

    /// Rows are written in transactions of so many periods, so that a stream's epoch never waits long.
    private static let periodsATransaction = 16

    /// Why an analysis is not run.
    enum Readiness {
        case ready(Statement)
        /// The query of this name has not stored anything.
        case waitsFor(query: String)
    }

    /// Checks the statement against the database: it reads only, is one, knows its tables and gives the declared columns.
    ///
    /// - Parameter queryViews: names of queries that are declared or come with taxi-cli, by view.
    /// - Throws: `Problem(.configuration)` with file, line and column.
    func readiness(queryViews: [String: String]) throws -> Readiness {
        let statement: Statement
        do {
            statement = try connection.query(analysis.sql, parameters: nil, selects: true)
        } catch let mistake as SQLMistake {
            if let table = mistake.message.wholeSuffix(after: "no such table: ")?.lowercased() {
                // A statement may read the state behind a view too.
                let view = table.wholeSuffix(after: "stored_") ?? table
                if let query = queryViews[view] { return .waitsFor(query: query) }
                let known = queryViews.keys.sorted() + Analysis.allCases.map(\.view)
                throw analysis.problem(
                    "there is no table \"\(table)\"", line: line(of: table),
                    hint: nearestName(to: table, among: known).map { "Did you mean \"\($0)\"?" }
                        ?? "taxi-cli show lists the tables.")
            }
            throw analysis.problem(mistake.message, atByte: mistake.offset, hint: "An analysis is one SELECT.")
        }
        for name in statement.parameterNames {
            guard let name, DeclaredAnalysis.parameters.contains(name) else {
                let text = name ?? "?"
                throw analysis.problem(
                    "unknown parameter \"\(text)\"", line: line(of: text),
                    hint: "Known: \(DeclaredAnalysis.parameters.joined(separator: ", ")).")
            }
        }
        let given = (0..<statement.columnCount).map(statement.columnName)
        guard given == analysis.columns else {
            let index = zip(given, analysis.columns).enumerated().first { $1.0 != $1.1 }?.offset
            let message =
                index.map {
                    "column \($0 + 1) is declared as \"\(analysis.columns[$0])\", but the SELECT gives \"\(given[$0])\""
                }
                ?? "\(analysis.columns.count) columns are declared, but the SELECT gives \(given.count)"
            throw analysis.problem(
                message, line: analysis.columnsLine, hint: "The SELECT gives: \(given.joined(separator: ", ")).")
        }
        return .ready(statement)
    }

    /// Replaces the rows of `periods`; returns how many there are.
    func run(_ periods: [Period], statement: Statement, partial: (Period) -> SQLValue) throws -> Int {
        try install()
        let table = ResultTable(name: analysis.table, connection: connection)
        var written = 0
        var rest = periods[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(Self.periodsATransaction))
            rest = rest.dropFirst(some.count)
            // Read before the write lock is taken: a statement of one's own may take its time.
            var rows: [Period: [[SQLValue]]] = [:]
            for period in some { rows[period] = try self.rows(of: period, statement, partial(period)) }
            written += try table.replace(some) { rows[$0] ?? [] }
        }
        return written
    }

    private func rows(of period: Period, _ statement: Statement, _ partial: SQLValue) throws -> [[SQLValue]] {
        for (index, name) in statement.parameterNames.enumerated() {
            statement.bind(index, Self.value(of: name, period))
        }
        defer { statement.reset() }
        var rows: [[SQLValue]] = []
        var unstorable: Int?
        do throws(SQLiteError) {
            while try statement.step() {
                let values = (0..<statement.columnCount).map(statement.value)
                unstorable = values.firstIndex(where: Self.isUnstorable)
                if unstorable != nil { break }
                rows.append([.integer(Int64(rows.count) + 1)] + values + [partial])
            }
        } catch {
            guard error.code == .statement else { throw error }
            if error.message == "integer overflow" { throw overflow(in: period) }
            throw analysis.problem("\(error.message) (in period \(period))", atByte: error.offset)
        }
        if let unstorable {
            throw analysis.problem(
                "column \"\(analysis.columns[unstorable])\" holds a blob or an infinite number (in period \(period))",
                line: analysis.columnsLine,
                hint: "Vintages and other programs have nothing for it; hex(…) makes a blob a text.")
        }
        return rows
    }

    /// What JSON has no value for.
    private static func isUnstorable(_ value: SQLValue) -> Bool {
        switch value {
        case .blob: true
        case .real(let number): !number.isFinite
        case .null, .integer, .text: false
        }
    }

    /// SQLite does not say which sum it was: the lines that add up whole numbers are named.
    private func overflow(in period: Period) -> Problem {
        let sums = analysis.sql.lowercased().split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .filter { !$0.element.hasPrefix("--") && $0.element.contains("sum(") }.map { $0.offset + 1 }
        let columns = analysis.columns.filter { column in
            sums.contains { line in
                analysis.sql.split(separator: "\n", omittingEmptySubsequences: false)[line - 1].contains(column)
            }
        }
        var problem = analysis.problem(
            "a sum in period \(period) leaves 64 bits"
                + (columns.isEmpty ? "" : ": of \(columns.joined(separator: " or "))"),
            line: sums.first ?? 1,
            hint: "sum(1.0 * x) adds up in floating point; taxi-cli audit shows whether x is right.")
        problem.code = .badData
        return problem
    }

    private static func value(of parameter: String?, _ period: Period) -> SQLValue {
        func day(_ days: Range<Int>, _ path: KeyPath<Range<Int>, Int>) -> SQLValue {
            .text(Calendar.text(ofDay: days[keyPath: path]))
        }
        return switch parameter {
        case ":from": day(period.days, \.lowerBound)
        case ":until": day(period.days, \.upperBound)
        case ":before_from": day(period.previous.days, \.lowerBound)
        case ":before_until": day(period.previous.days, \.upperBound)
        case ":year_before_from": day(period.sameAYearBefore.days, \.lowerBound)
        case ":year_before_until": day(period.sameAYearBefore.days, \.upperBound)
        case ":period": .text(period.description)
        case ":kind": .text(period.kind.rawValue)
        default: .null
        }
    }

    /// Makes table and view, unless those that are there were made by the same text.
    private func install() throws {
        let columns = analysis.columns.map { "\"\($0)\"" }.joined(separator: ", ")
        // A table without types is bytes to DuckDB, unless a function that it does not know keeps it from looking through the view.
        let view = """
            CREATE VIEW \(analysis.name) AS SELECT period_kind, period, \(columns), partial FROM \(analysis.table) WHERE likely(1)
            """
        let present = try connection.text("SELECT sql FROM batch_analyses WHERE name = ?", .text(analysis.name))
        if present == analysis.sql {
            let stored = try connection.text("SELECT sql FROM sqlite_schema WHERE name = ?", .text(analysis.name))
            guard let stored, stored != view else { return }
            try connection.transaction {
                try connection.execute("DROP VIEW \(analysis.name)")
                try connection.execute(view)
            }
            return
        }
        if present == nil, try BatchSchema.exists(analysis.name, on: connection) {
            throw analysis.problem(
                "the results have a table \"\(analysis.name)\" of something else", line: 1,
                hint: "Give the analysis another name.")
        }
        try connection.transaction {
            try connection.execute(
                """
                DROP VIEW IF EXISTS \(analysis.name);
                DROP TABLE IF EXISTS \(analysis.table);
                CREATE TABLE \(analysis.table)(period_kind TEXT NOT NULL, period TEXT NOT NULL, "row" INTEGER NOT NULL, \(columns),
                  partial INTEGER NOT NULL, PRIMARY KEY (period_kind, period, "row")) WITHOUT ROWID;
                \(view);
                """)
            try connection.execute(
                "INSERT OR REPLACE INTO batch_analyses VALUES (?, ?)", .text(analysis.name), .text(analysis.sql))
        }
    }

    /// The first line after the header that has this text, or the file's first.
    private func line(of text: String) -> Int {
        let lines = analysis.sql.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        let index = lines.firstIndex { !$0.hasPrefix("--") && $0.lowercased().contains(text) }
        return (index ?? 0) + 1
    }
}

extension String {
    /// What follows a text that the string begins with.
    fileprivate func wholeSuffix(after prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
