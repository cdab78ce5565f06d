import Problems

/// Records of one partition that a topic did not keep until a stream came to read them: its retention, or somebody who deleted records, was
/// faster. Offsets that hold no record, such as the ends of transactions, are among them, since nobody can tell any more.
struct LostRecords: Equatable, Sendable {
    var partition: Int
    var offsets: Range<Int64>

    var count: Int64 { offsets.upperBound - offsets.lowerBound }

    /// Such as `offsets 100 to 249 of partition 0, offset 7 of partition 3`.
    static func text(_ lost: [LostRecords]) -> String {
        lost.map { lost in
            let last = lost.offsets.upperBound - 1
            let offsets =
                lost.count == 1 ? "offset \(last)" : "offsets \(lost.offsets.lowerBound) to \(last)"
            return "\(offsets) of partition \(lost.partition)"
        }.joined(separator: ", ")
    }

    static func problem(_ lost: [LostRecords], topic: String) -> Problem {
        Problem(
            .badData, "records of topic \"\(topic)\" were removed before they were read: \(text(lost))",
            hint:
                "Go on without them, which counts them as lost: taxi-cli stream --skip-lost. Or compute the results anew from what the topic still holds: taxi-cli stream --from-beginning. A topic that keeps records for longer loses none."
        )
    }
}
