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

    @Test func aFlippedByteEndsNoCommandByASignal() throws {
        let tenant = try Self.tenant.get()
        let commands = try tenant.commands()
        var random = SplitMix(seed: Self.seed)
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
        var random = SplitMix(seed: seed)
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
