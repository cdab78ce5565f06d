import Database
import Problems
import Topics
import Time
import Trips

extension QueryCohort {
    enum Ending {
        /// The epoch ends, the stream goes on.
        case more
        /// A bounded run has read everything: every window closes.
        case everything
        /// All partitions are silent: windows close by wall time.
        case wallTime(EventTime)
    }

    /// Ends the epoch and hands it to the committer, where there is anything to commit.
    func cut(_ ending: Ending, nowMs: Int64) throws {
        try input.requireUnchanged()
        noteProgress(nowMs: nowMs)
        let before = tracker.watermark
        tracker.advance(nowMs: nowMs)
        var closing = tracker.watermark
        var (closesMore, completes) = (false, false)
        switch ending {
        case .more: break
        case .wallTime(let time):
            tracker.advance(to: time)
            closing = tracker.watermark
        case .everything:
            if beginsSource { try guards.finish() }
            completes =
                input.isComplete == true && checkpoints.contains { $0.positions[input.name]?.isComplete != true }
            // Partitions that were read to their end are not active any more, so they would leave the watermark where it was.
            if let least = tracker.partitions.compactMap(\.newest).min() {
                tracker.advance(to: least - options.delayMs)
            }
            // Windows without end stay. The watermark stays too: a later run on newer data finds open what was not closed here, and
            // each query's own bound keeps what was closed: the end of an hour must not make the next 5 seconds late.
            closing = .max - 1
            for (query, state) in states.enumerated() {
                let ends = state.windows.open.values.filter { $0.pointee.revision == 0 }.map(\.pointee.end)
                    .filter { $0 < .max }
                guard let lastEnd = ends.max() else { continue }
                closesMore = true
                state.closedUntil = max(state.closedUntil, lastEnd)
                checkpoints[query].closedUntil = state.closedUntil
            }
        }
        let hasLost = noteLost()
        guard recordsInEpoch > 0 || tracker.watermark > before || closesMore || hasLost || completes else { return }
        let beganNs = clock.monotonicNs
        var outputs = try cutters.map { try $0.cut(watermark: closing) }
        for query in outputs.indices { outputs[query].newest = newest ?? 0 }
        for (query, output) in outputs.enumerated() { results[query] += output.results }
        timing.stageNs[.cut] = clock.monotonicNs - beganNs
        epochs += 1
        try committer.submit(epoch(outputs))
        timing = EpochTiming()
        recordsRead += Int64(recordsInEpoch)
        recordsInEpoch = 0
        sideRecords.removeAll(keepingCapacity: true)
        deadLetters.removeAll(keepingCapacity: true)
        sideBytes = 0
        ledger.removeAll(keepingCapacity: true)
        lateDays.removeAll(keepingCapacity: true)
        passedOver.removeAll()
    }

    /// Counts what the input had to pass over, for each query.
    private func noteLost() -> Bool {
        let lost = input.takeLost()
        for stretch in lost {
            for query in plans.indices {
                ledger[.init(partition: stretch.partition, query: query, counter: "lost"), default: 0] += stretch.count
            }
            recordsLost += stretch.count
        }
        return !lost.isEmpty
    }

    private func epoch(_ outputs: [QueryOutput]) -> Epoch {
        let position = QueryCheckpoint.SourcePosition(
            offsets: input.offsets, newest: tracker.partitions.map(\.newest), rejects: input.rejects,
            identity: input.identity, seals: input.seals, sealEnds: input.sealEnds, anchors: input.anchors,
            startedMs: input.startedMs,
            stamp: input.stamp, content: input.content, parts: input.parts, isComplete: input.isComplete)
        for query in plans.indices {
            checkpoints[query].epoch += 1
            checkpoints[query].watermark = tracker.watermark == .min ? nil : tracker.watermark
            checkpoints[query].positions[input.name] = position
            checkpoints[query].counts.results += outputs[query].results
        }
        for (key, value) in ledger where key.query >= 0 {
            switch key.counter {
            case "aggregated": checkpoints[key.query].counts.aggregated += value
            case "late": checkpoints[key.query].counts.late += value
            case "late_merged":
                checkpoints[key.query].counts.lateMerged = (checkpoints[key.query].counts.lateMerged ?? 0) + value
            case "late_in_part":
                checkpoints[key.query].counts.lateInPart = (checkpoints[key.query].counts.lateInPart ?? 0) + value
            case "skipped": checkpoints[key.query].counts.skipped += value
            case "restated":
                checkpoints[key.query].counts.restated = (checkpoints[key.query].counts.restated ?? 0) + value
            case "lost": checkpoints[key.query].counts.lost = (checkpoints[key.query].counts.lost ?? 0) + value
            default: checkpoints[key.query].counts.filtered += value
            }
        }
        let entries = ledger.map { key, value in
            Epoch.LedgerEntry(
                partition: key.partition, query: key.query < 0 ? "" : plans[key.query].name, counter: key.counter,
                value: value)
        }
        let raised = outputs.flatMap { output in output.alerts.filter { !wasSent($0, of: states[output.query]) } }
        let alerts = raised.map {
            SideRecord(topic: "\(options.tenant)_alerts", record: $0.topicRecord(schemaID: sideSchemas.alerts))
        }
        let sideRecords = sideRecords + alerts
        let byTopic = Dictionary(grouping: sideRecords, by: \.topic)
        let sideBatches = byTopic.keys.sorted().compactMap { topic in
            PendingBatch(topic: topic, partition: 0, records: byTopic[topic, default: []].map(\.record))
        }
        let reached = input.rejects.map { [$0] } ?? input.offsets
        return Epoch(
            outputs: outputs, checkpoints: zip(plans, checkpoints).map { ($0.name, $1) }, sideBatches: sideBatches,
            deadLetters: deadLetters, judged: zip(begun, reached).map { $0..<max($0, $1) },
            ledger: entries, sequence: checkpoints.map(\.epoch).max() ?? 0, records: recordsInEpoch,
            passedOver: passedOver,
            lateDays: Dictionary(grouping: lateDays, by: \.key.query).mapValues { days in
                Dictionary(uniqueKeysWithValues: days.map { ($0.key.day, $0.value) })
            }, pruned: pruned, progress: .init(topic: input.name, offsets: input.offsets), timing: timing)
    }

    /// Whether an alert has gone out before a rewind as it is now.
    private func wasSent(_ alert: RaisedAlert, of state: QueryState) -> Bool {
        guard !state.sentAlerts.isEmpty, let sent = state.sentAlerts.removeValue(forKey: alert.identity) else {
            return false
        }
        return sent.says(alert)
    }
}
