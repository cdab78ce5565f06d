import Database
import Foundation
import Problems
import SQLite
import ServerSupport
import Synchronization
import Testing
import Topics

@testable import ML

/// Asking a model: which rows it is asked about, and what is kept, with a server that does what servers do.
@Suite struct ModelRunTests {
    @Test func eachRowIsAnsweredOnceAndSentOnce() throws {
        let stage = try Stage()
        let spec = try stage.spec()
        let summary = try stage.pass(spec)
        #expect((summary.pending, summary.answered, summary.batches, summary.requests) == (25, 25, 3, 3))
        #expect(try stage.answers() == Stage.right(25))
        #expect(try stage.messages().first == #"{"model":"\#(stage.model)","id":1,"y":20}"#)
        #expect(try stage.messages().count == 25)
        let again = try stage.pass(spec)
        #expect((again.read, again.pending, again.requests) == (25, 0, 0))
        #expect(try stage.messages().count == 25)
    }

    @Test func onlyWhatIsNewOrChangedIsSentAgain() throws {
        let stage = try Stage()
        let spec = try stage.spec()
        _ = try stage.pass(spec)
        try stage.database.connection.execute(
            "UPDATE points SET x = 7 WHERE id = 3; INSERT INTO points VALUES (26, 260);")
        let summary = try stage.pass(spec)
        #expect(summary.answered == 2)
        let answers = try stage.answers()
        #expect(answers == Stage.right(26).map { $0 == "3 60" ? "3 14" : $0 })
        #expect(try stage.messages().count == 27)
    }

    /// Faults that pass: the batch is sent again, under its key, and answered.
    @Test(arguments: [
        "drop", "half", "garbage", "few", "many", "nan", "huge", "text", "other", "500", "busy", "504", "429",
    ])
    func aFaultThatPassesIsMadeUpFor(_ mood: String) throws {
        let stage = try Stage()
        let summary = try stage.pass(try stage.spec("\(mood)/2"))
        #expect(summary.answered == 25, "\(mood): \(summary)")
        #expect(summary.requests == 5)
        #expect(try stage.answers() == Stage.right(25))
        #expect(try stage.messages().count == 25)
        #expect(try stage.keys().values.sorted() == [1, 1, 3])
    }

    /// Answers that stay wrong: every batch is set aside with its reason, and none holds up the others.
    @Test(arguments: [
        ("garbage", "a list is missing, at byte 1"), ("few", "9 results to 10 rows"),
        ("many", "more results than the 10 rows"),
        ("nan", "NaN and Infinity are no numbers"), ("huge", "is no finite number, at byte"),
        ("text", "is \"many\" and no real"),
        ("other", "result 1 has no \"y\""), ("500", "status 500: no"), ("422", "status 422: no"),
    ])
    func aFaultThatStaysSetsBatchesAside(_ mood: String, _ reason: String) throws {
        let stage = try Stage()
        let spec = try stage.spec("\(mood)/-1", "    circuit: {failures: 1000}")
        let summary = try stage.pass(spec)
        #expect((summary.answered, summary.setAside, summary.away) == (0, 25, nil))
        #expect(try stage.states() == ["set aside", "set aside", "set aside"])
        let said = try stage.database.connection.text("SELECT reason FROM ml_batches WHERE batch = 1") ?? ""
        #expect(said.contains(reason), "\(said)")
        // They are left alone until somebody says so.
        #expect(try stage.pass(spec).requests == 0)
        #expect(try ModelStore(stage.database.connection).forget(spec.name, setAside: true) == 25)
        #expect(try stage.pass(try stage.spec("fine/0")).answered == 25)
        #expect(try stage.answers() == Stage.right(25))
    }

    @Test func oneBatchOfPoisonHoldsUpNoOther() throws {
        let stage = try Stage()
        let summary = try stage.pass(try stage.spec("poison/150"))
        #expect((summary.answered, summary.setAside) == (15, 10))
        #expect(try stage.answers() == Stage.right(25, besides: Set(11...20)))
        #expect(try stage.states() == ["answered", "set aside", "answered"])
    }

    /// Where so many batches fail in a row that the service is left alone, the fault is its own: all of them are sent again.
    @Test(arguments: ["500", "garbage", "422"])
    func whatFailedInAnOutageIsSentAgain(_ mood: String) throws {
        let stage = try Stage(rows: 61)
        let summary = try stage.pass(try impatient(stage, "\(mood)/-1", failures: 4))
        #expect(summary.away != nil && (summary.answered, summary.setAside) == (0, 0), "\(summary)")
        #expect(try stage.states() == Array(repeating: "sent again", count: 4))
        let healed = try stage.pass(try impatient(stage, "fine/0", failures: 4))
        #expect((healed.answered, healed.away) == (61, nil))
        #expect(try stage.answers() == Stage.right(61))
        #expect(try stage.messages().count == 61)
    }

    /// The row of failures may go over several passes; what failed before the last success stays aside.
    @Test func aRowOfFailuresGoesOverPasses() throws {
        let stage = try Stage(rows: 10)
        func pass(_ mood: String, adding first: Int?) throws -> PassSummary {
            for id in first.map({ $0..<$0 + 10 }) ?? 0..<0 {
                try stage.database.connection.execute(
                    "INSERT INTO points VALUES (?, ?)", .integer(Int64(id)), .integer(Int64(10 * id)))
            }
            return try stage.pass(try impatient(stage, mood, failures: 3))
        }
        #expect(try pass("422/-1", adding: nil).setAside == 10)
        #expect(try pass("fine/0", adding: 11).answered == 10)
        #expect(try pass("500/-1", adding: 21).setAside == 10)
        #expect(try pass("500/-1", adding: 31).setAside == 10)
        let open = try pass("500/-1", adding: 41)
        #expect(open.away != nil && open.setAside == 0, "\(open)")
        #expect(try stage.states() == ["set aside", "answered", "sent again", "sent again", "sent again"])
        #expect(try pass("fine/0", adding: nil).answered == 30)
        #expect(try stage.answers() == Stage.right(50, besides: Set(1...10)))
    }

    /// A model that sends a batch once, and whose circuit opens soon.
    private func impatient(_ stage: Stage, _ mood: String, failures: Int) throws -> ModelSpec {
        var spec = try stage.spec(mood, "    circuit: {failures: \(failures), cool_down: 1s}")
        spec.service?.retries.count = 0
        return spec
    }

    @Test(arguments: [
        ("0", 0), ("7", 7_000), ("-3", 0), ("99999999999", 86_400_000), ("Sun, 06 Nov 1994 08:49:37 GMT", 30_000),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0), ("Mon, 07 Nov 2094 08:49:37 GMT", 86_400_000), ("soon", nil), ("", nil),
    ])
    func aServiceSaysWhenToAskAgain(_ text: String, _ expected: Int64?) {
        // 1994-11-06 08:49:07 UTC.
        #expect(ServiceCall.delayMs(asked: text, now: 784_111_747_000) == expected)
    }

    /// A service that is away, or wants something else of us, is left alone; what was sent is in doubt, and sent again as it was.
    @Test(arguments: ["drop", "half", "503", "redirect", "401", "404"])
    func aServiceThatIsAwayIsLeftAlone(_ mood: String) throws {
        let stage = try Stage()
        let spec = try stage.spec("\(mood)/-1", "    circuit: {failures: 2, cool_down: 1h}")
        let summary = try stage.pass(spec)
        #expect(summary.away != nil && summary.answered == 0 && summary.setAside == 0)
        let status = try #require(try ModelStatus.all(on: stage.database.connection).first)
        #expect(status.openUntil != nil && status.failingSince != nil && status.reason != nil)
        #expect(status.batchesInDoubt == 1)
        #expect(try stage.pass(try stage.spec("fine/0")).answered == 25)
        #expect(try stage.answers() == Stage.right(25))
        #expect(try stage.states() == ["answered", "answered", "answered"])
        let first = try stage.database.connection.text("SELECT idempotency_key FROM ml_batches WHERE batch = 1") ?? ""
        #expect(try stage.keys()[first] ?? 0 >= 2)
        let healed = try #require(try ModelStatus.all(on: stage.database.connection).first)
        #expect(healed.failures == 0 && healed.openUntil == nil && healed.failingSince == nil)
        if mood == "redirect" { #expect(try TestServer.web().ask("GET", "/ml-seen/\(stage.model)-elsewhere") == "{}") }
    }

    @Test func aServiceThatIsSlowIsNotWaitedForLongerThanSaid() throws {
        let stage = try Stage()
        let spec = try stage.spec("slow/1", "    timeout: 300ms")
        #expect(try stage.pass(spec).answered == 25)
        #expect(stage.outcomes == ["success": 3, "unavailable": 1])
    }

    @Test func nobodyThereIsToldAndNothingIsLost() throws {
        let stage = try Stage()
        let spec = try stage.spec("fine/0")
        var gone = spec
        gone.service?.endpoint = "http://127.0.0.1:1/"
        let summary = try stage.pass(gone)
        #expect(summary.away?.contains("could not connect") == true)
        #expect(try stage.pass(spec).answered == 25)
        #expect(try stage.answers() == Stage.right(25))
    }

    @Test func moreLanesKeepTheOrderOfBatches() throws {
        let stage = try Stage(rows: 300)
        let spec = try stage.spec("busy/7", "    concurrency: 4\n    circuit: {failures: 100}")
        let summary = try stage.pass(spec)
        #expect(summary.answered == 300)
        #expect(try stage.answers() == Stage.right(300))
        let messages = try stage.messages()
        #expect(messages == (1...300).map { #"{"model":"\#(stage.model)","id":\#($0),"y":\#(20 * $0)}"# })
    }

    /// Stopped between any two batches, and in the middle of one: the next pass sends what is left, each row once.
    @Test func aStoppedPassGoesOnWhereItWas() throws {
        let stage = try Stage(rows: 300)
        let spec = try stage.spec("busy/3", "    concurrency: 3\n    circuit: {failures: 100}")
        var passes = 0
        while try stage.pass(stopping: spec, after: passes % 4) {
            passes += 1
            try #require(passes < 100)
        }
        #expect(passes > 3)
        #expect(try stage.answers() == Stage.right(300))
        #expect(try stage.messages().count == 300)
        #expect(Set(try stage.messages()).count == 300)
    }

    /// Killed between the transaction and the topic, or between the topic and the next transaction: the outbox has messages.
    @Test func whatIsLeftInTheOutboxIsSentOnce() throws {
        let stage = try Stage()
        let spec = try stage.spec()
        _ = try stage.pass(spec)
        for (batch, text) in [(2, "sent before"), (4, "not sent")] {
            var builder = RecordBatchBuilder()
            Array(text.utf8).withUnsafeBytes { builder.append(key: nil, value: $0, timestamp: 1000) }
            try stage.database.connection.execute(
                "INSERT INTO stored_ml_outbox VALUES (?, ?, 'chicago_mlResults', 1, 1000, ?)", .text(spec.name),
                .integer(Int64(batch)), .blob(builder.finish()))
        }
        _ = try stage.pass(spec)
        #expect(try stage.messages().count == 26)
        #expect(try stage.messages().last == "not sent")
        #expect(try stage.database.connection.value("SELECT count(*) FROM stored_ml_outbox")?.integer == 0)
    }

    @Test func aModelOfSQLNeedsNoService() throws {
        let stage = try Stage()
        let text = """
            models:
              - name: naive
                source: {sql: "SELECT id, x * 2 AS y FROM points"}
                key: id
                protocol: sql
                schema: {y: integer}
                to: {table: doubled}
            """
        try text.write(toFile: stage.path + "/ml.yaml", atomically: true, encoding: .utf8)
        let spec = try ModelCatalog.load(path: stage.path + "/ml.yaml", zone: "America/Chicago")[0]
        #expect(try stage.pass(spec).answered == 25)
        #expect(try stage.answers() == Stage.right(25))
        #expect(try stage.pass(spec).pending == 0)
    }

    @Test func aModelOfKServeIsAskedInItsShapes() throws {
        let stage = try Stage()
        let spec = try stage.spec(
            "fine/0",
            """
                protocol: kserve-v2
                request: {inputs: [{name: x, datatype: FP64, shape: [-1, 1], columns: [x]}]}
                response: {outputs: [{name: y, datatype: FP64, shape: [-1], columns: [y]}]}
            """)
        #expect(try stage.pass(spec).answered == 25)
        #expect(try stage.answers() == Stage.right(25))
    }

    @Test func aSourceThatTakesForEverIsStopped() throws {
        let stage = try Stage()
        var spec = try stage.spec()
        spec.source = .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, 1 AS x FROM n WHERE i < 0")
        let asked = Mutex(0)
        let summary = try stage.run(spec).pass {
            asked.withLock { asked in
                asked += 1; return asked > 3
            }
        }
        #expect(summary.wasStopped && summary.requests == 0)
        #expect(try stage.pass(try stage.spec()).answered == 25)
    }

    @Test func twoRowsWithOneKeyAreRefused() throws {
        let stage = try Stage()
        var spec = try stage.spec()
        spec.source = .sql("SELECT id / 2 AS id, x FROM points")
        let problem = #expect(throws: Problem.self) { try stage.pass(spec) }
        #expect(problem?.code == .badData)
        #expect(problem?.message.contains("have the key id") == true)
    }

    @Test func rowsThatCannotBeSentAreToldAndHoldUpNobody() throws {
        let stage = try Stage()
        try stage.database.connection.execute("UPDATE points SET x = x'00' WHERE id = 4")
        let summary = try stage.pass(try stage.spec())
        #expect((summary.answered, summary.unusable) == (24, 1))
        #expect(summary.unusableReason == "JSON has nothing for the blob in \"x\"")
    }

    @Test func aSecretIsSentAndNeverShown() throws {
        let stage = try Stage()
        let spec = try stage.spec("500/-1", "    headers: {Authorization: \"Bearer {{ env.ML_TOKEN }}\"}")
        let trial = try stage.run(spec).trial(rows: 2, isDry: false) { false }
        #expect(trial.headers.contains { $0 == ("Authorization", "Bearer ***") })
        #expect(trial.fault == "the service answered with status 500: no")
        #expect(trial.rows == 2)
        // Nothing was stored.
        #expect(try !ModelStore.isThere(stage.database.connection))
    }

    @Test func aSecretThatIsNotThereIsAMistakeOfTheDeclaration() throws {
        let stage = try Stage()
        let spec = try stage.spec("fine/0", "    headers: {Authorization: \"Bearer {{ env.NOT_SET }}\"}")
        let problem = #expect(throws: Problem.self) { try stage.pass(spec) }
        #expect(problem?.code == .configuration)
    }
}

extension Stage {
    /// A pass that is stopped after some batches.
    ///
    /// - Returns: whether something was left.
    func pass(stopping spec: ModelSpec, after batches: Int) throws -> Bool {
        let run = run(spec)
        let left = Mutex(batches)
        run.onProgress = { _ in left.withLock { $0 -= 1 } }
        return try run.pass { left.withLock { $0 < 0 } }.wasStopped
    }
}
