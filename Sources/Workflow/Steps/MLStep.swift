import Database
internal import Foundation
internal import HTTP
internal import Problems
internal import SQLite
internal import YAML

/// `ml: NAME` with `url`, and `sql` for the rows: asks a model served over HTTP what it says of rows of the results.
///
/// What is sent is `{"model": NAME, "rows": [{COLUMN: VALUE, …}, …]}`; the answer is a list of results, or an object whose key
/// `results` (or `predictions`) holds one. Each is a row of `ml_results` and a record of `{tenant}_mlResults`. Running the step
/// again replaces its rows; records are sent again, with the key `RUN/STEP/POSITION` to tell them by.
struct MLStep: StepAction {
    static let kind = "ml"
    static let outputs = ["rows"]
    private static let keys = ["url", "sql", "headers"]
    static let declared = StepKind(kind, keys: keys) { (declaration) throws(Problem) in
        let (value, step) = (declaration.value, declaration.step)
        if keys.allSatisfy({ step[$0] == nil }) {
            return try ModelStep(value, declaration.vocabulary)
        }
        return try MLStep(value, of: step)
    }
    /// An answer is kept in memory whole.
    private static let answerLimitBytes = 64 << 20
    private static let rowLimit = 100_000

    let model: String
    let url: Template
    let sql: SQLTemplate
    let headers: StepHeaders

    init(_ node: YAMLNode, of step: YAMLNode) throws(Problem) {
        model = try SpecReader.identifier(node, of: "model")
        url = try step.required("url").webAddress()
        sql = try SQLTemplate(try step.required("sql"))
        headers = try StepHeaders(step["headers"])
    }

    var templates: [Template] { [url, sql.template] + headers.templates }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        let rows = try rows(attempt)
        attempt.log.add(line: "\(rows.count) rows for \"\(model)\"")
        let body: [String: Any] = ["model": model, "rows": rows]
        var request = HTTPRequest(
            "POST", try attempt.fill(url),
            headers: [.init("Content-Type", "application/json")] + (try headers.fill(attempt)),
            body: .bytes(Array(try JSONSerialization.data(withJSONObject: body, options: .sortedKeys))))
        request.bodyLimitBytes = Self.answerLimitBytes
        var isAnswered = false
        defer { attempt.surroundings.countModelRequest(model, isAnswered) }
        return try attempt.send(request) { response in
            guard response.isSuccess else {
                return AttemptEnd(state: .failed, error: HTTPStep.unexpected(response, attempt.log))
            }
            let results = try Self.results(in: response, from: request.place).map(attempt.log.mask.maskedJSON)
            isAnswered = true
            try store(results, attempt)
            return attempt.rows(results.count)
        }
    }

    /// The query's rows, each by column.
    private func rows(_ attempt: StepAttempt) throws -> [[String: Any]] {
        try attempt.interruptible { interruption in
            let connection = try Connection(path: attempt.surroundings.resultsPath, access: .readOnly)
            try connection.addResultFunctions()
            interruption.watch(connection)
            let statement = try sql.statement(on: connection, attempt)
            if let name = statement.repeatedColumn {
                throw Problem(
                    .badData, "\(sql.template.source): two columns are named \"\(name)\", which an object cannot hold",
                    hint: "Give one of them another name with AS.")
            }
            var rows: [[String: Any]] = []
            do {
                while rows.count <= Self.rowLimit, try statement.step() { rows.append(try object(statement)) }
            } catch let error as SQLiteError where error.code == .statement {
                throw Problem(.badData, "\(sql.template.source): \(error.message)")
            }
            guard rows.count <= Self.rowLimit else {
                throw Problem(
                    .badData, "the step's sql gives more than \(Self.rowLimit) rows",
                    hint: "Select fewer, or add them up first.")
            }
            return rows
        }
    }

    /// What JSON has nothing for is a mistake, not a null.
    private func object(_ row: Statement) throws(Problem) -> [String: Any] {
        var object: [String: Any] = [:]
        for column in 0..<row.columnCount {
            switch row.value(column) {
            case .integer(let number): object[row.columnName(column)] = number
            case .real(let number) where number.isFinite: object[row.columnName(column)] = number
            case .text(let text): object[row.columnName(column)] = text
            case .null: object[row.columnName(column)] = NSNull()
            case .real, .blob:
                throw Problem(
                    .badData,
                    "\(sql.template.source): JSON has nothing for the blob or infinite number in \"\(row.columnName(column))\"",
                    hint: "Give a text or a number, such as hex(…) of a blob.")
            }
        }
        return object
    }

    /// Each result as JSON of one line.
    private static func results(in response: HTTPResponse, from place: String) throws -> [String] {
        guard response.bodyIsWhole else {
            throw Problem(.badData, "the answer of \(place) is longer than \(answerLimitBytes >> 20) MiB")
        }
        let answer = try? JSONSerialization.jsonObject(with: Data(response.body), options: .fragmentsAllowed)
        let object = answer as? [String: Any]
        guard let list = answer as? [Any] ?? object?["results"] as? [Any] ?? object?["predictions"] as? [Any] else {
            throw Problem(
                .badData, "the answer of \(place) holds no results",
                hint: "Answer with a list, or with an object whose key \"results\" holds one.")
        }
        return try list.map { item in
            let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed]
            return String(decoding: try JSONSerialization.data(withJSONObject: item, options: options), as: UTF8.self)
        }
    }

    private func store(_ results: [String], _ attempt: StepAttempt) throws {
        // A step that is tried runs in a run.
        let (run, step, now) = (attempt.values.runID ?? "", attempt.step.name, attempt.surroundings.now())
        let connection = try Connection(path: attempt.surroundings.resultsPath)
        try connection.transaction {
            try connection.execute(
                "DELETE FROM stored_ml_results WHERE run_id = ? AND step = ?", .text(run), .text(step))
            let insert = try connection.prepare("INSERT INTO stored_ml_results VALUES (?, ?, ?, ?, ?, ?)")
            for (position, result) in results.enumerated() {
                try insert.bind([
                    .text(run), .text(step), .integer(Int64(position)), .text(model), .integer(now), .text(result),
                ])
                try insert.run()
            }
        }
        guard let append = attempt.surroundings.appendRecords, !results.isEmpty else { return }
        try append(
            "mlResults", results.enumerated().map { (key: "\(run)/\(step)/\($0)", value: $1) }, now)
    }
}

/// `ml: NAME` alone: asks a model of ml.yaml about what is new; `rows` is its output.
struct ModelStep: StepAction {
    static let kind = MLStep.kind
    static let outputs = MLStep.outputs

    let name: String

    /// - Parameter vocabulary: its models stand in ml.yaml, which is only read where a step names one.
    init(_ node: YAMLNode, _ vocabulary: StepVocabulary) throws(Problem) {
        let name = try SpecReader.identifier(node, of: "model")
        self.name = name
        guard let models = vocabulary.models else { return }
        let names: [String]
        do throws(Problem) { names = try models.read() } catch {
            throw node.problem(
                "model \"\(name)\" cannot be looked up: \(error.message)",
                hint: "Declare it in \"\(models.path)\", or give the step url and sql.")
        }
        guard !names.isEmpty else {
            throw node.problem(
                "there is no model \"\(name)\": \"\(models.path)\" declares none",
                hint: "Declare it there, or give the step url and sql.")
        }
        _ = try node.choice(among: names, of: "model")
    }

    var templates: [Template] { [] }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd { try attempt.model(name) }
}

extension StepAttempt {
    /// `ml: NAME` alone.
    func model(_ name: String) throws -> AttemptEnd {
        guard let ask = surroundings.askModel else { throw Self.unknown("ml") }
        return rows(try interruptible { try ask(name, $0) })
    }
}
