public import Database
import Foundation
import Problems
import SQLite
import Synchronization
import Telemetry

/// What a tenant did: each second for 15 minutes, each 10 s for a day, each 5 min for 60 days.
///
/// Samples are 32-bit floats, those of an hour or so one row, NaN where nobody looked: 60 days of all series are some 2 MB. Only one
/// process records at a time; others read.
public final class History: Sendable {
    struct Step {
        var seconds: Int
        var keptS: Int
        /// Samples of a row: of less than a kilobyte, which SQLite keeps beside its key.
        var chunk: Int
    }
    static let steps = [
        Step(seconds: 1, keptS: 900, chunk: 60), Step(seconds: 10, keptS: 86_400, chunk: 180),
        Step(seconds: 300, keptS: 60 * 86_400, chunk: 144),
    ]

    private struct Key: Hashable {
        var series: String
        var step: Int
        var start: Int
    }
    /// `@unchecked Sendable`: under the mutex.
    private struct State: @unchecked Sendable {
        var database: MetricsDatabase?
        var lock: FileLock?
        var open: [Key: [Float]] = [:]
        var changed: Set<Key> = []
        /// Of the samples of the present 10 s and 5 min: their sums and numbers.
        var sums: [String: [Int: (sum: Double, count: Int, slot: Int)]] = [:]
        var lastFlushS = 0
        var lastThinS = 0
    }
    private let state: Mutex<State>
    private let home: TenantHome
    private let storedEveryS: Int

    public init(_ home: TenantHome, storedEveryS: Int = 10) {
        (self.home, self.storedEveryS) = (home, storedEveryS)
        state = Mutex(State())
    }

    /// The series of a look and the one before it.
    static func values(_ look: TenantLook, before: TenantLook?) -> [String: Double] {
        var values: [String: Double] = [:]
        values["sent"] = look.rate(.replayRecords, since: before)
        values["results"] = look.rate(.streamResults, since: before)
        values["late"] = look.rate(.streamLate, since: before)
        values["rejected"] = look.rate(.streamRejected, since: before)
        if let before, let now = look.numbers.histogram(.streamLatency),
            let then = before.numbers.histogram(.streamLatency), let recent = now.since(then), recent.count > 0
        {
            values["latency_p50"] = recent.quantile(0.5)
            values["latency_p99"] = recent.quantile(0.99)
        }
        values["in"] = look.sources.compactMap(\.rateIn).reduce(0, +)
        values["processed"] = look.sources.map(\.rateProcessed).reduce(0, +)
        values["lag_records"] = Double(look.sources.compactMap(\.lagRecords).reduce(0, +))
        values["lag_seconds"] = look.sources.compactMap(\.lagSeconds).max()
        values["watermark_lag_seconds"] = look.numbers.greatest(.streamWatermarkLag)
        values["failing_rules"] = Double(Set(look.findings.map(\.rule)).count)
        return values
    }

    /// Adds a look; where another process records, nothing.
    public func record(_ look: TenantLook, before: TenantLook?) {
        record(Self.values(look, before: before), atS: Int(look.nowMs / 1000))
        let failing = look.findings.map(\.rule)
        // Since when it has been so is asked for by whoever looks next.
        state.withLock { state in
            _ = try? state.database?.since(Array(Set(failing)), nowMs: look.nowMs)
        }
    }

    func record(_ values: [String: Double], atS now: Int) {
        state.withLock { state in
            guard open(&state) else { return }
            for (name, value) in values {
                put(name, Self.steps[0], now, value, &state)
                for step in Self.steps.dropFirst() {
                    let slot = now / step.seconds
                    var sum = state.sums[name]?[step.seconds] ?? (0, 0, slot)
                    if sum.slot != slot { sum = (0, 0, slot) }
                    sum = (sum.sum + value, sum.count + 1, slot)
                    state.sums[name, default: [:]][step.seconds] = sum
                    put(name, step, now, sum.sum / Double(sum.count), &state)
                }
            }
            if now - state.lastFlushS >= storedEveryS || now < state.lastFlushS { flush(&state, now) }
        }
    }

    private func put(_ name: String, _ step: Step, _ now: Int, _ value: Double, _ state: inout State) {
        let span = step.seconds * step.chunk
        let key = Key(series: name, step: step.seconds, start: now / span * span)
        if state.open[key] == nil {
            state.open[key] = stored(key, step, state.database) ?? Array(repeating: .nan, count: step.chunk)
        }
        state.open[key]?[now % span / step.seconds] = Float(value)
        state.changed.insert(key)
    }

    private func stored(_ key: Key, _ step: Step, _ database: MetricsDatabase?) -> [Float]? {
        let value = try? database?.connection.value(
            "SELECT samples FROM chunks WHERE series = ? AND step_s = ? AND start_s = ?", .text(key.series),
            .integer(Int64(key.step)), .integer(Int64(key.start)))
        guard case .blob(let bytes)? = value else { return nil }
        return Self.floats(bytes, count: step.chunk)
    }

    private static func floats(_ bytes: [UInt8], count: Int) -> [Float]? {
        guard bytes.count == count * 4 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            (0..<count).map { index in
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
            }
        }
    }

    /// Whether this process is the one that records.
    private func open(_ state: inout State) -> Bool {
        if state.database != nil { return true }
        let folder = LiveFolder(home).path
        let isNew = !Files.exists(folder)
        guard (try? Files.makeFolders(folder, hint: "")) != nil else { return false }
        var owner = stat()
        // The tenant's own processes come later, perhaps as another user.
        if isNew, geteuid() == 0, stat(home.path, &owner) == 0, owner.st_uid != 0 {
            lchown(folder, owner.st_uid, owner.st_gid)
        }
        let path = "\(folder)/history.lock"
        guard (try? FolderOwner.give(path)) != nil else { return false }
        guard let lock = try? FileLock(path: path), (try? lock.tryHold()) == true,
            let database = try? MetricsDatabase(home)
        else { return false }
        (state.lock, state.database) = (lock, database)
        return true
    }

    /// Stores what is not stored yet.
    public func flush() {
        state.withLock { state in
            if state.database != nil { flush(&state, state.lastFlushS) }
        }
    }

    private func flush(_ state: inout State, _ now: Int) {
        state.lastFlushS = now
        guard let database = state.database else { return }
        let isThinning = abs(now - state.lastThinS) >= 600
        let (changed, open) = (state.changed, state.open)
        // A disk that is full loses history alone.
        try? database.connection.transaction {
            let insert = try database.connection.prepare("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?)")
            for key in changed {
                let bytes = (open[key] ?? []).flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
                try insert.bind([
                    .text(key.series), .integer(Int64(key.step)), .integer(Int64(key.start)), .blob(bytes),
                ])
                try insert.run()
            }
            guard isThinning else { return }
            for step in Self.steps {
                try database.connection.execute(
                    "DELETE FROM chunks WHERE step_s = ? AND start_s < ?", .integer(Int64(step.seconds)),
                    .integer(Int64(now - step.keptS - step.seconds * step.chunk)))
            }
        }
        if isThinning { state.lastThinS = now }
        state.changed.removeAll()
        state.open = state.open.filter { key, _ in
            let step = Self.steps.first { $0.seconds == key.step }
            return now - key.start <= 2 * (step.map { $0.seconds * $0.chunk } ?? 0)
        }
    }

    /// A sample and when it was taken, s UTC.
    public struct Sample: Sendable, Encodable, Equatable {
        public var time: Int
        public var value: Float
    }

    /// The samples of a series, the oldest first.
    ///
    /// - Parameter stepS: 1, 10 or 300.
    public func samples(_ series: String, stepS: Int) -> [Sample] {
        guard let step = Self.steps.first(where: { $0.seconds == stepS }) else { return [] }
        flush()
        guard let database = MetricsDatabase.openIfAny(home),
            let rows = try? database.connection.prepare(
                "SELECT start_s, samples FROM chunks WHERE series = ? AND step_s = ? ORDER BY start_s")
        else { return [] }
        var samples: [Sample] = []
        do {
            try rows.bind([.text(series), .integer(Int64(stepS))])
            while try rows.step() {
                let start = Int(try rows.integer(0, in: .counts))
                let values = Self.floats(try rows.blob(1), count: step.chunk) ?? []
                for (index, value) in values.enumerated() where !value.isNaN {
                    samples.append(Sample(time: start + index * step.seconds, value: value))
                }
            }
        } catch { return samples }
        return samples
    }

    /// The values of the last 15 minutes, one each 5 s, for a curve: 0 where nobody looked.
    public func recent(_ series: String) -> [Double] {
        let now = Int(Date().timeIntervalSince1970)
        return state.withLock { state in
            let step = Self.steps[0]
            let span = step.seconds * step.chunk
            return stride(from: now - step.keptS, through: now, by: 5).map { time in
                let values = (0..<5).compactMap { offset -> Double? in
                    let at = time - offset
                    let value = state.open[Key(series: series, step: 1, start: at / span * span)]?[at % span]
                    return value.flatMap { $0.isNaN ? nil : Double($0) }
                }
                return values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
            }
        }
    }
}
