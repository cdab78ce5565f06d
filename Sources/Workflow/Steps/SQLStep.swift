import Database
internal import Foundation
internal import Glibc
internal import Problems
internal import SQLite
internal import YAML

/// `sql: FILE`: SQL of a file, run on the tenant's results in one transaction; `rows` is its output.
struct SQLStep: StepAction {
    static let kind = "sql"
    static let outputs = ["rows"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in try SQLStep(declaration) }

    private let path: String

    init(_ declaration: StepDeclaration) throws(Problem) {
        let (node, folder) = (declaration.value, declaration.folder)
        let text = try node.text()
        let path = text.hasPrefix("/") || folder.isEmpty ? text : "\(folder)/\(text)"
        guard access(path, R_OK) == 0, YAMLNode.isPlainFile(path) else {
            throw node.problem("cannot read file \"\(path)\"", hint: "Paths begin at the workflow's own folder.")
        }
        self.path = path
    }

    var templates: [Template] { [] }

    func text(_ values: TemplateValues) -> String { path }

    func scripts(in folder: String) -> [String] { [path] }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd { try attempt.sql(path) }
}

extension StepAttempt {
    private static let sqlLimitBytes = 64 << 20

    /// `:line:column`, where that is known.
    private static func place(of mistake: SQLMistake, in text: String) -> String {
        guard let offset = mistake.offset else { return "" }
        let lines = text.utf8.prefix(offset).split(separator: 0x0a, omittingEmptySubsequences: false)
        return ":\(max(1, lines.count)):\((lines.last?.count ?? 0) + 1)"
    }

    /// The whole file in one transaction; `rows` counts the rows that it changed.
    fileprivate func sql(_ path: String) throws -> AttemptEnd {
        let text = try PlainFile.text(path, limitBytes: Self.sqlLimitBytes)
        return try interruptible { interruption in
            // Short waits for other writers, between which the step may be stopped.
            let connection = try Connection(path: surroundings.resultsPath, busyTimeoutMs: 500)
            try connection.addResultFunctions()
            interruption.watch(connection)
            let giveUp = ContinuousClock.now + .milliseconds(Connection.defaultBusyTimeoutMs)
            while true {
                do {
                    return rows(
                        try connection.transaction {
                            let before = try connection.value("SELECT total_changes()")?.integer ?? 0
                            try connection.run(script: text)
                            return Int((try connection.value("SELECT total_changes()")?.integer ?? 0) - before)
                        })
                } catch let error as SQLiteError where error.code == .busy && ContinuousClock.now < giveUp {
                    if let end = forcedEnd { return end }
                } catch let mistake as SQLMistake {
                    throw Problem(.badData, "\"\(path)\"\(Self.place(of: mistake, in: text)): \(mistake.message)")
                }
            }
        }
    }
}
