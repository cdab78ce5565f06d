import Database
import SQLite
import Stream
import Time

/// Compares the view `sources` with where the queries stand: at rest it says how far the source was read, and nothing is held back.
struct SourcesComparison {
    let connection: Connection
    let checkpoints: [QueryCheckpoint]
    /// Where partitions end, by topic.
    let ends: [String: [Int64]]
    /// Whether the topics are ours.
    let isEmbedded: Bool

    /// nil where the view is empty and has to be.
    func run() throws -> Finding? {
        let finding = Finding("ledger", "sources")
        let isAtRest = try self.isAtRest()
        var met: [String: Set<Int64>] = [:]
        let rows = try connection.prepare(
            "SELECT source, partition, records, lag_records, watermark_ms, holds_back FROM stored_sources ORDER BY source, partition"
        )
        while try rows.step() {
            let (source, partition) = (rows.text(0), rows.integer(1))
            let name = "\(source) partition \(partition)"
            finding.cells += 1
            met[source, default: []].insert(partition)
            let places = checkpoints.compactMap { $0.positions[source]?.offsets }
                .filter { (0..<Int64($0.count)).contains(partition) }.map { $0[Int(partition)] }
            let records = rows.value(2)
            let isKnown = records.integer.map { isAtRest ? places.contains($0) : $0 <= places.max() ?? 0 } ?? false
            if !isKnown {
                finding.differ("\(name): records is \(CellText.of(records)), and no query stands there")
            }
            let marks = checkpoints.filter { $0.positions[source] != nil }.map(\.watermark)
            let (watermark, newest) = (rows.value(4).integer, marks.compactMap { $0 }.max())
            if isAtRest ? !marks.contains(watermark) : watermark ?? .min > newest ?? .min {
                finding.differ("\(name): watermark_ms is \(CellText.of(rows.value(4))), and that of no query")
            }
            if isAtRest, rows.value(5).integer != 0 {
                finding.differ("\(name): holds_back is \(CellText.of(rows.value(5))), and nothing runs")
            }
            compareLag(rows.value(3), isAtRest, source, partition, records.integer ?? 0, finding)
        }
        if isAtRest {
            for (source, partitions) in expected {
                for partition in 0..<Int64(partitions) where met[source]?.contains(partition) != true {
                    // The view has the source that was read last.
                    if !met.isEmpty, met[source] == nil { continue }
                    finding.cells += 1
                    finding.differ("\(source) partition \(partition): the view lacks it, and queries have read it")
                }
            }
        }
        return finding.cells > 0 ? finding : nil
    }

    /// The topic may have grown since, and not shrunk.
    private func compareLag(
        _ lag: SQLValue, _ isAtRest: Bool, _ source: String, _ partition: Int64, _ records: Int64, _ finding: Finding
    ) {
        guard let ends = ends[source], (0..<Int64(ends.count)).contains(partition) else { return }
        let most = ClosedRange.counts.contains(records) ? max(0, ends[Int(partition)] - records) : 0
        // A broker may not have said where its topic ended.
        let isKnown = lag.integer.map { 0...most ~= $0 } ?? !(isAtRest && isEmbedded)
        if !isKnown {
            finding.differ(
                "\(source) partition \(partition): lag_records is \(CellText.of(lag)), and \(most) records lie behind")
        }
    }

    /// Partitions of the topics that a stream has read which fills the view; earlier versions did not.
    private var expected: [String: Int] {
        var expected: [String: Int] = [:]
        for checkpoint in checkpoints {
            for (source, position) in checkpoint.positions where position.seals != nil {
                expected[source] = max(expected[source] ?? 0, position.offsets.count)
            }
        }
        return expected
    }

    /// Whether the last thing that happened to the queries is a stream that ended as it should: one that was killed may not have come to
    /// write the view, and a rewind empties it.
    private func isAtRest() throws -> Bool {
        let last = try connection.text(
            "SELECT command || ' ' || outcome FROM run_records WHERE command IN ('stream', 'rewind', 'restate') ORDER BY id DESC LIMIT 1"
        )
        return last == "stream success"
    }
}
