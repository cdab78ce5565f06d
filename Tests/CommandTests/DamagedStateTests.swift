import Basics
import CommandSupport
import Foundation
import SQLite
import Testing

/// What is stored is input too: whatever stands in a database, a command ends by itself, with its result or with 65 and what is damaged.
///
/// A sample runs with every `scripts/test`; `scripts/damage-series` runs all of it. A failure names the damage and the command.
@Suite struct DamagedStateTests {
    private static let tenant = Result { try DamagedTenant() }

    private static let settings = ProcessInfo.processInfo.environment
    /// Of the choice of damages and commands.
    private static let seed = settings["TAXI_DAMAGE_SEED"].flatMap { UInt64($0) } ?? 1
    /// How many runs of a command a test makes; nil for all that there are.
    private static let runs: Int? = settings["TAXI_DAMAGE_RUNS"].map { Int($0) } ?? 260

    @Test func aColumnThatHoldsAnythingEndsNoCommandByASignal() throws {
        let tenant = try Self.tenant.get()
        let commands = try tenant.commands()
        let damages = try Damage.all(of: tenant.original)
        #expect(damages.count > 1500)
        try Self.forEachPair(damages, commands) { damage, commands in
            let damaged = try tenant.copy()
            try damage.apply(to: damaged)
            try Self.expectNoCrash(of: commands, on: damaged, "\(damage)")
        }
    }

    /// A damage that no command may pass over, a command that meets it, and what the message says.
    struct Named: Sendable, CustomTestStringConvertible {
        var sql: String
        var isTopics = false
        var command: [String]
        var says: String
        var testDescription: String { sql }

        /// 0 where it only must not take for ever.
        var code: Int32

        init(_ sql: String, isTopics: Bool = false, _ command: [String], says: String, code: Int32 = 65) {
            (self.sql, self.isTopics, self.command, self.says, self.code) = (sql, isTopics, command, says, code)
        }
    }

    static let stream = ["stream", "--until-end"]
    static let analytics = ["stream", "--until-end", "--queries", "analytics"]
    static let tail = ["topic", "tail", "ingestData", "--from-beginning"]
    static let named = [
        Named(
            "UPDATE batches SET count = count + 1", isTopics: true, tail, says: "and not where its last batch ends, 403"
        ),
        Named(
            "UPDATE batches SET count = count - 1 WHERE base_offset = 0", isTopics: true, tail,
            says: "table batches, column row_checksum (base_offset 0, slot "),
        Named(
            "UPDATE batches SET count = 1000000000", isTopics: true, tail, says: "column end_offset (slot "),
        Named(
            "DELETE FROM batches WHERE base_offset = 400", isTopics: true, tail,
            says: "and not where its last batch ends, 400"),
        Named(
            "UPDATE partitions SET start_offset = -1", isTopics: true, ["status"],
            says: "table partitions, column start_offset (slot "),
        Named(
            "UPDATE partitions SET end_offset = 9223372036854775807", isTopics: true, ["topic", "list"],
            says: "table partitions, column end_offset"),
        Named(
            "UPDATE batches SET first_time = 9223372036854775807", isTopics: true, ["topic", "describe", "ingestData"],
            says: "column first_time holds 9223372036854775807"),
        Named(
            "UPDATE topics SET retention_ms = 'x' WHERE name = 'chicago_kept'", isTopics: true, ["topic", "list"],
            says: "table topics, column retention_ms holds \"x\""),
        Named(
            "UPDATE checkpoints SET state = json_set(state, '$.generation', 9223372036854775807)", stream,
            says: "table checkpoints, column state (stream \"sumFareWindow\"): generation is out of range"),
        Named(
            "UPDATE checkpoints SET state = json_set(state, '$.counts.late', -1)", ["status"],
            says: "counts is out of range"),
        Named(
            "UPDATE checkpoints SET state = x'00' WHERE stream = 'tripsTotal'", stream,
            says: "table checkpoints, column state (stream \"tripsTotal\") holds a blob of 1 bytes and not a text"),
        Named(
            "UPDATE producers SET fence_epoch = 'x' WHERE name = 'produce'", isTopics: true,
            ["produce", "one.csv", "--max", "--clock", "start"], says: "table producers, column epoch "),
        Named(
            "UPDATE stored_faredistribution SET window_start_ms = 0 WHERE rowid = (SELECT min(rowid) FROM stored_faredistribution)",
            ["batch", "--retain-windows", "1d"], says: "", code: 0),
        Named(
            "UPDATE stored_hotspotwindow SET groups = json_set(groups, '$.\"999999\"', 1) WHERE closed = 0", stream,
            says: "groups that the query has: 999999"),
        Named(
            "UPDATE stored_hotspotwindow SET groups = '{' WHERE closed = 0", stream, says: "not the groups of a window"),
        Named(
            "UPDATE stored_hotspotwindow SET groups = '{}' WHERE closed = 0", stream,
            says: "holds \"{}\" and not the groups of a window"),
        Named(
            "UPDATE stored_hotspotwindow SET groups = '{\"0\":\"x\"}' WHERE closed = 0", stream,
            says: "column groups (window_start_ms "),
        Named(
            "UPDATE stored_paidhours SET groups = '{\"0\":[1,{\"1\":\"x\"},1,1,1]}' WHERE closed = 0", stream,
            says: "table stored_paidhours, column groups"),
        Named(
            "UPDATE stored_paidhours SET groups = '{\"0\":[1,{\"1\":1},1,1,1,1,\"----------0\",5,1,0,1,0,1]}' WHERE closed = 0",
            stream,
            says: "not the standard deviation of its sums in group 0"),
        Named(
            "UPDATE stored_taxisout SET taxis_sketch = 'x' || taxis_sketch WHERE closed = 0", analytics,
            says: "table stored_taxisout, column taxis_sketch"),
        Named(
            "UPDATE stored_taxisout SET taxis = 7000 WHERE closed = 0", analytics,
            says: "column taxis (window_start_ms "),
        Named("UPDATE stored_taxisout SET taxis_sketch = x'00'", ["batch"], says: "distinct_count: a text of 1 bytes"),
        Named(
            "UPDATE stored_sumfarewindow SET window_start_ms = 9223372036854775807 WHERE rowid = (SELECT max(rowid) FROM stored_sumfarewindow)",
            stream, says: "table stored_sumfarewindow, column window_start_ms"),
        Named(
            "UPDATE keys_hotspotwindow SET id = 5000 WHERE id = 1", stream,
            says: "table keys_hotspotwindow, column id holds"),
        Named(
            "UPDATE outbox SET last_time = first_time - 1", analytics,
            says: "table outbox, column first_time"),
        Named("UPDATE outbox SET count = 0", analytics, says: "table outbox, column count holds 0"),
        Named(
            "UPDATE outbox SET count = 1000", analytics,
            says: "and not the payload of 1000 records"),
        Named(
            "UPDATE outbox SET sequence = sequence + 1000000", analytics, says: "table outbox has epoch 10"),
        Named("UPDATE alert_states SET matching = -5", stream, says: "table alert_states, column matching"),
        Named(
            "UPDATE stored_alerts SET raised_ms = 'x'", ["alert", "history"],
            says: "table stored_alerts, column raised_ms"),
        Named("UPDATE stored_alerts SET params = '[1]'", ["alert", "history"], says: "not a JSON object of texts"),
        Named(
            "UPDATE run_records SET started_ms = -9223372036854775808", ["status"],
            says: "table run_records, column started_ms"),
        Named(
            "UPDATE settings SET value = 'Nowhere'", ["status"],
            says: "column value (name \"zone\") holds \"Nowhere\" and not a time zone"),
        Named(
            "UPDATE stored_tripstotal SET trips_total = 9223372036854775807", ["batch"],
            says: "table stored_tripstotal, column trips_total"),
        Named(
            "UPDATE OR IGNORE day_area SET area = -9223372036854775808; DELETE FROM rolled_months", ["batch"],
            says: "table day_area, column area"),
        Named(
            "UPDATE batch_fare_trend SET trips = -1", ["report", "report.html"],
            says: "column trips (period \"2024-01\") holds -1"),
        Named(
            "UPDATE stored_workflow_runs SET interval_end_ms = -9223372036854775808", ["workflow", "runs"],
            says: "table stored_workflow_runs, column interval_end_ms"),
        Named("DROP TABLE stored_tripstotal", ["show", "tripstotal"], says: "no such table"),
        Named("PRAGMA user_version = -1", ["status"], says: "its version is -1"),
    ]

    @Test(arguments: named) func saysWhatIsDamaged(_ damage: Named) throws {
        let damaged = try Self.tenant.get().copy()
        try Connection(path: damage.isTopics ? damaged.topicsPath : damaged.resultsPath).execute(damage.sql)
        let ending = try damaged.start(damage.command).wait(timeout: 60)
        #expect(ending.code == damage.code, "\(ending.code) \(ending.errors)")
        #expect(damage.says.isEmpty || ending.errors.contains(damage.says), "\(ending.errors)")
    }

    /// Of whichever topic: those of results are read by nobody but their consumers.
    @Test(arguments: [
        "UPDATE batches SET count = count - 1", "UPDATE batches SET last_time = last_time + 1 WHERE slot = 3",
        "UPDATE batches SET base_offset = base_offset + 1 WHERE slot = 3", "DELETE FROM batches WHERE slot = 1",
        "UPDATE partitions SET end_offset = end_offset - 1 WHERE end_offset > 0",
        "DELETE FROM partitions WHERE slot = 3",
        "UPDATE partitions SET start_offset = 1 WHERE slot = 1", "UPDATE partitions SET newest_time = newest_time + 1",
        "UPDATE payloads SET bytes = zeroblob(length(bytes)) WHERE id = (SELECT max(id) FROM payloads)",
        "DELETE FROM payloads WHERE id = 1", "UPDATE topics SET partition_count = 2 WHERE id = 1",
    ]) func auditAndDoctorFindWhatLosesRecords(_ sql: String) throws {
        let taxi = try TaxiCLI.filled()
        try Connection(path: taxi.topicsPath).execute(sql)
        for command in ["audit", "doctor"] {
            let ending = try taxi.run(command)
            #expect(ending.code == 65, "\(command): \(ending.text) \(ending.errors)")
            #expect((ending.text + ending.errors).contains("damaged"), "\(command): \(ending.text) \(ending.errors)")
        }
    }

    /// The pages themselves contradict each other: the message has SQLite's own word for it.
    @Test func saysWhatTheIntegrityCheckFinds() throws {
        let damaged = try Self.tenant.get().copy()
        let url = URL(fileURLWithPath: damaged.resultsPath)
        var bytes = try Data(contentsOf: url)
        // The header of each page of tables and indexes but the first.
        for page in 1..<bytes.count / 4096 { bytes[page * 4096] = 77 }
        try bytes.write(to: url)
        let ending = try damaged.run("status")
        #expect(ending.code == 65)
        #expect(ending.errors.contains("PRAGMA integrity_check says: "), "\(ending.errors)")
    }

    @Test func aFlippedByteEndsNoCommandByASignal() throws {
        let tenant = try Self.tenant.get()
        let commands = try tenant.commands()
        var random = SplitMix64(seed: Self.seed)
        var flips: [Flip] = []
        for isTopics in [false, true] {
            let path = isTopics ? tenant.original.topicsPath : tenant.original.resultsPath
            let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
            for _ in 0..<500 {
                flips.append(
                    Flip(
                        isTopics: isTopics, offset: Int.random(in: 0..<size, using: &random),
                        mask: UInt8.random(in: 1...255, using: &random)))
            }
        }
        try Self.forEachPair(flips, commands) { flip, commands in
            let damaged = try tenant.copy()
            try flip.apply(to: damaged)
            try Self.expectNoCrash(of: commands, on: damaged, "\(flip)")
        }
    }

    /// One byte of a database that is another.
    private struct Flip: CustomStringConvertible {
        var isTopics: Bool
        var offset: Int
        var mask: UInt8
        var description: String { "\(isTopics ? "topics" : "results").db: byte \(offset) ^ \(mask)" }

        func apply(to taxi: TaxiCLI) throws {
            let url = URL(fileURLWithPath: isTopics ? taxi.topicsPath : taxi.resultsPath)
            var bytes = try Data(contentsOf: url)
            bytes[offset] ^= mask
            try bytes.write(to: url)
        }
    }

    /// All pairs of a damage and a command, or so many of them, by damage.
    private static func forEachPair<Item>(
        _ items: [Item], _ commands: [[String]], _ body: (Item, [[String]]) throws -> Void
    ) throws {
        var random = SplitMix64(seed: seed)
        guard let runs else {
            for item in items { try body(item, commands) }
            return
        }
        for _ in 0..<runs / 2 {
            let item = items[Int.random(in: items.indices, using: &random)]
            try body(item, (0..<2).map { _ in commands[Int.random(in: commands.indices, using: &random)] })
        }
    }

    /// Exit codes that say what they mean to somebody who has a damaged file, or had asked for what is gone with the damage.
    private static let allowed: Set<Int32> = [0, 1, 64, 65, 66, 69, 75, 78]

    private static func expectNoCrash(of commands: [[String]], on damaged: TaxiCLI, _ damage: String) throws {
        let backup = commands.count > 2 ? try Files(of: damaged) : nil
        for command in commands {
            // A trap is noted by whoever waits for the program.
            let ending = try damaged.start(command, environment: ["TAXI_BUSY_TIMEOUT": "2000"]).wait(timeout: 30)
            if settings["TAXI_DAMAGE_LOG"] != nil {
                print(
                    "damage:", ending.code, damage, "|", command.joined(separator: " "), "|",
                    ending.errors.prefix(300).split(separator: "\n").first ?? "")
            }
            #expect(
                allowed.contains(ending.code),
                "\(damage), then \(command.joined(separator: " ")): \(ending.code) \(ending.errors)")
            if ending.code == 65, ending.errors.contains("is damaged") {
                #expect(
                    ending.errors.contains("results.db") || ending.errors.contains("topics.db")
                        || ending.errors.contains("topic"), "\(ending.errors)")
            }
            try backup?.restore()
        }
    }

    /// The databases of a copy, to be put back after a command that may write.
    private struct Files {
        let folder: String
        var files: [String: Data] = [:]

        init(of taxi: TaxiCLI) throws {
            folder = taxi.tenantFolder
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.contains(".db") {
                files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
        }

        func restore() throws {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.contains(".db") {
                if files[name] == nil { try FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            }
            for (name, data) in files { try data.write(to: URL(fileURLWithPath: "\(folder)/\(name)")) }
        }
    }
}
