import Database
internal import Glibc
internal import Problems
internal import SQLite
internal import YAML

/// `wait:` with `file`, or `sql`, or `topic` and `offset`: goes on when a file is there, a query gives a row, or a topic has got so many records.
enum WaitStep: StepAction {
    static let kind = "wait"
    static let outputs: [String] = []
    static let declared = StepKind(kind) { (declaration) throws(Problem) in try WaitStep(declaration.value) }

    case file(Template)
    case row(SQLTemplate)
    case records(topic: Template, offset: Int64)

    init(_ node: YAMLNode) throws(Problem) {
        try node.requireOnly(keys: ["file", "sql", "topic", "offset"], of: "wait")
        let entries = try node.entries()
        if let topic = node["topic"], entries.count <= 2 {
            let offset = try node.required("offset").integer(in: 1...Int64.max)
            self = .records(topic: try topic.template(), offset: offset)
            return
        }
        guard entries.count == 1, let entry = entries.first, ["file", "sql"].contains(entry.name) else {
            throw node.unexpected("one thing to wait for", hint: "Give file, or sql, or topic and offset.")
        }
        let template = try entry.value.template()
        self = entry.name == "file" ? .file(template) : .row(try SQLTemplate(entry.value))
    }

    var templates: [Template] {
        switch self {
        case .file(let template), .records(let template, _): [template]
        case .row(let sql): [sql.template]
        }
    }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        switch self {
        case .file(let name): try attempt.waitForFile(name)
        case .row(let sql): try attempt.waitForRow(sql)
        case .records(let topic, let offset): try attempt.waitForRecords(attempt.fill(topic), offset)
        }
    }
}

extension StepAttempt {
    fileprivate func waitForFile(_ name: Template) throws -> AttemptEnd {
        let path = try path(filling: name)
        return try wait(for: "file \"\(path)\"") { access(path, F_OK) == 0 }
    }

    fileprivate func waitForRow(_ sql: SQLTemplate) throws -> AttemptEnd {
        try interruptible { interruption in
            let connection = try Connection(path: surroundings.resultsPath, access: .readOnly, busyTimeoutMs: 500)
            try connection.addResultFunctions()
            interruption.watch(connection)
            return try wait(for: "a row of \(sql.template.source)") {
                do { return try sql.statement(on: connection, self).step() } catch let error as SQLiteError {
                    if error.code == .busy { return false }
                    throw Problem(.badData, "\(sql.template.source): \(error.message)")
                }
            }
        }
    }

    /// Until so many records have come into a topic, all its partitions together, whether or not they are still kept.
    fileprivate func waitForRecords(_ topic: String, _ offset: Int64) throws -> AttemptEnd {
        guard let records = surroundings.records else { throw Self.unknown("wait for a topic") }
        return try wait(for: "\(offset) records of topic \"\(topic)\"") { try records(topic) >= offset }
    }

    /// Of a step whose feature whoever runs the workflow did not bring along.
    static func unknown(_ what: String) -> Problem { Problem(.configuration, "nobody here can \(what)") }
}
