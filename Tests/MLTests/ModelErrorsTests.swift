import Database
import Foundation
import Problems
import SQLite
import Testing

@testable import ML

/// How far answers are from what came, against a slow and obvious computation.
@Suite struct ModelErrorsTests {
    private static func specs(_ stage: Stage) throws -> [ModelSpec] {
        let text = """
            models:
              - name: naive
                source: {sql: "SELECT id, 100 AS y FROM points WHERE id <= 20"}
                key: id
                protocol: sql
                schema: {y: real}
              - name: near
                source: {sql: "SELECT id, x + id % 3 AS y FROM points"}
                key: id
                protocol: sql
                schema: {y: real}
                compare: {actual: "SELECT id, x AS actual, id % 2 AS odd FROM points", field: y, by: odd, baseline: naive}
              - name: far
                source: {sql: "SELECT id, 1000 AS y FROM points"}
                key: id
                protocol: sql
                schema: {y: real}
                compare: {actual: "SELECT id, x AS actual FROM points", field: y, baseline: naive}
            """
        try text.write(toFile: stage.path + "/ml.yaml", atomically: true, encoding: .utf8)
        return try ModelCatalog.load(path: stage.path + "/ml.yaml", zone: "America/Chicago")
    }

    private static func errors(_ stage: Stage) throws -> [String: (
        rows: Int64, mae: Double, wape: Double, worse: Int64?
    )] {
        let rows = try stage.database.connection.rows(
            "SELECT model, dimension, value, rows, mae, wape, worse FROM ml_errors"
        ) { row throws(SQLiteError) in
            (
                "\(row.text(0)) \(row.text(1)) \(row.text(2))",
                (rows: row.integer(3), mae: row.real(4), wape: row.real(5), worse: row.value(6).integer)
            )
        }
        return Dictionary(uniqueKeysWithValues: rows)
    }

    @Test func bothModelsAreMeasuredOverTheSameRows() throws {
        let stage = try Stage()
        for spec in try Self.specs(stage) { _ = try stage.pass(spec) }
        let errors = try Self.errors(stage)
        // The simple model answers for 20 of the 25 rows: the other five say nothing of which is better.
        func wanted(_ ids: [Int]) -> (mae: Double, wape: Double) {
            let sum = ids.reduce(0) { $0 + $1 % 3 }
            return (Double(sum) / Double(ids.count), Double(sum) / Double(ids.reduce(0) { $0 + 10 * $1 }))
        }
        for (name, ids) in [
            ("all all", Array(1...20)), ("odd 1", (1...20).filter { $0 % 2 == 1 }),
            ("odd 0", (1...20).filter { $0 % 2 == 0 }),
        ] {
            let found = try #require(errors["near \(name)"])
            #expect(found.rows == Int64(ids.count))
            #expect(abs(found.mae - wanted(ids).mae) < 1e-12 && abs(found.wape - wanted(ids).wape) < 1e-12)
            #expect(found.worse == 0)
        }
        #expect(errors["far all all"]?.worse == 1)
        #expect(errors.count == 4)
    }

    @Test func whatCameLaterIsComparedByTheNextPass() throws {
        let stage = try Stage()
        let specs = try Self.specs(stage)
        for spec in specs { _ = try stage.pass(spec) }
        try stage.database.connection.execute("UPDATE points SET x = x + 10 WHERE id = 1")
        _ = try stage.pass(specs[2])
        // (1000 - 20) + Σ (1000 - 10 i) of 2...20 over 20 rows
        let sum = 980 + (2...20).reduce(0) { $0 + 1000 - 10 * $1 }
        #expect(try Self.errors(stage)["far all all"]?.mae == Double(sum) / 20)
    }

    @Test func aComparisonThatCannotBeMadeSaysWhy() throws {
        let stage = try Stage()
        var spec = try Self.specs(stage)[1]
        spec.compare?.actual = "SELECT id, x FROM points"
        let problem = #expect(throws: Problem.self) { try stage.pass(spec) }
        #expect(problem?.code == .configuration)
        #expect(problem?.message.contains("cannot be compared") == true)
    }
}
