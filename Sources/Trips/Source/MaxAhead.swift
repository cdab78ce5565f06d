public import Time

/// How far ahead of a clock an event time may be: a typing error in a year must not move a watermark by decades.
public struct MaxAhead: Sendable, Equatable {
    /// What the clock showed, ms UTC.
    public var nowMs: EventTime
    public var aheadMs: Int64

    public init(nowMs: EventTime, aheadMs: Int64) { (self.nowMs, self.aheadMs) = (nowMs, max(0, aheadMs)) }

    /// A day: room for clocks that differ and for zones that were mixed up.
    public static let defaultMs: Int64 = 86_400_000

    /// The latest event time that is taken.
    public var latest: EventTime {
        let (sum, overflow) = nowMs.addingReportingOverflow(aheadMs)
        return overflow ? .max : sum
    }

    /// Why an event time is rejected: `is 27 days ahead of the clock, more than the 1 day of --max-ahead`.
    public func excess(of time: EventTime) -> String {
        let (ahead, overflow) = time.subtractingReportingOverflow(nowMs)
        return
            "is \(Self.text(overflow ? .max : ahead)) ahead of the clock, more than the \(Self.text(aheadMs)) of --max-ahead"
    }

    /// The largest unit of which there are at least two, or one exactly.
    public static func text(_ ms: Int64) -> String {
        let units: [(name: String, ms: Int64)] = [
            ("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("millisecond", 1),
        ]
        let unit = units.first { ms == $0.ms || ms >= 2 * $0.ms } ?? units[units.count - 1]
        let count = ms / unit.ms
        return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
    }
}

extension CSVDecoder {
    /// Rejects the batch's rows from `start` on whose published time is too far ahead; the others close up.
    ///
    /// The time before it is spread decides, so that a file's rejects do not depend on how its trips are spread.
    ///
    /// - Parameter rows: where the batch's rows come from, in the same order, those that were rejected before included.
    func removeAhead(
        of limit: MaxAhead, _ rows: CSVRows, _ batch: TripBatch, from start: Int, clock: inout RowClock,
        rejects: inout [Reject], lineOf: (Int64) -> Int = { Int($0) }
    ) {
        guard let field = eventTime else { return }
        let cells = batch.column(field)
        var (kept, place) = (start, 0)
        for row in start..<batch.count {
            let mark = clock.mark(WallTime(cell: cells[row]))
            guard mark > limit.latest else {
                if kept != row { batch.moveRow(row, to: kept, fields: fields) }
                kept += 1
                continue
            }
            while rows.line[place] < batch.positions[row] { place += 1 }
            rejects.append(rejectAhead(rows, place, field, limit.excess(of: mark), batch.source, lineOf: lineOf))
        }
        batch.count = kept
    }
}
