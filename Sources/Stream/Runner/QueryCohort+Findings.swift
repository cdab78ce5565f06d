import Problems
import Topics
import Trips

extension QueryCohort {
    /// Takes over what a worker found beside its states.
    func absorb(_ findings: inout RangeFindings) throws {
        recordsInEpoch += findings.records
        timing.add(findings.timing)
        for (partition, reject, original) in findings.rejects {
            let isReplaced = reject.offset == PieceDecoder.isReplaced
            let isOfClock = reject.offset == PieceDecoder.isAhead || isReplaced
            if let reason = PassedOver.reason(of: reject.reason, isOfClock: isOfClock) {
                PassedOver.note(Int64(reject.location.line), partition: partition, for: reason, in: &passedOver)
            }
            ledger[.init(partition: partition, query: -1, counter: "rejected:\(reject.reason.rawValue)"), default: 0] +=
                1
            rejected[reject.reason, default: 0] += 1
            // A dead letter of it there is already.
            if isReplaced { continue }
            sideBytes += original.value?.count ?? 0
            let origin = DeadLetter.Origin.topic(input.name, partition: partition)
            deadLetters.append(
                PendingDeadLetter(
                    partition: partition, offset: Int64(reject.location.line),
                    isAhead: reject.offset == PieceDecoder.isAhead,
                    record: DeadLetter.record(of: reject, from: origin, original: original)))
        }
        for (key, value) in findings.counts where value != 0 { ledger[key, default: 0] += value }
        lateDays.merge(findings.lateDays, uniquingKeysWith: +)
        sideRecords += findings.lateRecords
        sideBytes += findings.lateRecords.reduce(0) { $0 + ($1.record.value?.count ?? 0) }
        let steps = findings.steps
        findings.removeAll()
        for step in steps {
            try guards.accept(step.accepted)
            if let reject = step.reject { try guards.reject(reject) }
        }
    }

    /// Rejects that the input itself met: rows of a file.
    ///
    /// - Parameter first: how many rows of the file were rejected before these.
    func addFileRejects(_ rejects: [Reject], first: Int) {
        for (index, reject) in rejects.enumerated() {
            ledger[.init(partition: 0, query: -1, counter: "rejected:\(reject.reason.rawValue)"), default: 0] += 1
            rejected[reject.reason, default: 0] += 1
            recordsInEpoch += 1
            sideBytes += reject.bytes.count
            deadLetters.append(
                PendingDeadLetter(
                    partition: 0, offset: Int64(first + index), isAhead: false,
                    record: DeadLetter.record(
                        of: reject, from: .file(meantFor: "\(options.tenant)_ingestData"))))
        }
    }
}
