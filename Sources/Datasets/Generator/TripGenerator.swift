public import Problems
import Time

/// Makes files of taxi trips in the format of the City's export, of any size, that look like the real ones and are no one's trips.
///
/// The same arguments give the same bytes on any machine: whole numbers all the way, generators of our own, and the distance
/// of two points by operations that IEEE 754 rounds exactly. What is kept of the real data is in data/README.md.
public struct TripGenerator: Sendable {
    public struct Options: Sendable {
        /// Rows of the file, the header not counted.
        public var rows: Int
        public var seed: UInt64 = 1
        /// Days on which trips start, since 1970-01-01, in Chicago.
        public var days: ClosedRange<Int>
        public var style = TripFileStyle.portal
        public var order = Order.shuffled
        /// Rows with each kind of `TripDefect`, in a million rows.
        public var defectsPerMillion = 0

        public init(rows: Int, days: ClosedRange<Int>) { (self.rows, self.days) = (rows, days) }
    }

    public enum Order: String, CaseIterable, Sendable {
        /// As the portal's files are.
        case shuffled
        /// By the start as it passed: in the hour that autumn has twice, the wall's time steps back once.
        case time
    }

    public struct Summary: Sendable, Equatable {
        public var rows = 0
        public var bytes = 0
        /// Rows that were spoilt, by what was done to them; kinds that did not come up are not in it.
        public var defects: [TripDefect: Int] = [:]
    }

    /// At most so many rows: the number of trips that all of the City's taxis would need some 50,000 years for.
    public static let maximumRows = 1_000_000_000_000

    private let options: Options
    private let order: TripOrder
    private let model: TripModel
    private let writer: RowWriter

    /// - Throws: `.usage` for a number of rows, days or a share that cannot be.
    public init(_ options: Options) throws(Problem) {
        guard options.rows >= 0, options.rows <= Self.maximumRows else {
            throw Problem(.usage, "cannot make \(options.rows) rows", hint: "Ask for 0 to \(Self.maximumRows).")
        }
        let years = Calendar.day(year: 2000, month: 1, day: 1)...Calendar.day(year: 2100, month: 12, day: 27)
        guard years.contains(options.days.lowerBound), years.contains(options.days.upperBound) else {
            let days = options.days
            throw Problem(
                .usage,
                "cannot make trips from \(Calendar.text(ofDay: days.lowerBound)) to \(Calendar.text(ofDay: days.upperBound))",
                hint: "Readers take the years 2000 to 2100; the City's own data begin with 2013.")
        }
        guard options.defectsPerMillion >= 0, options.defectsPerMillion * TripDefect.allCases.count <= 1_000_000 else {
            throw Problem(
                .usage, "cannot spoil \(options.defectsPerMillion) of a million rows in each way",
                hint: "There are \(TripDefect.allCases.count) ways, so the share of each is at most one in that many.")
        }
        self.options = options
        let quarters = QuarterHours(days: options.days)
        order = TripOrder(
            count: options.rows, quarters: quarters, seed: options.seed, isShuffled: options.order == .shuffled)
        model = TripModel(seed: options.seed, quarters: quarters)
        writer = RowWriter(style: options.style, quarters: quarters, model: model)
    }

    /// Makes the file and hands it on in pieces of up to a mebibyte, which are valid during the call only.
    ///
    /// Memory does not grow with the rows. - Throws: what `sink` throws.
    @discardableResult
    public func write(to sink: (UnsafeRawBufferPointer) throws -> Void) throws -> Summary {
        var summary = Summary()
        let size = 1 << 20
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        defer { buffer.deallocate() }
        var end = buffer
        for byte in options.style.header.utf8 {
            end.pointee = byte
            end += 1
        }
        for row in 0..<options.rows {
            if end - buffer > size - RowWriter.maximumRowLength {
                try sink(UnsafeRawBufferPointer(start: buffer, count: end - buffer))
                summary.bytes += end - buffer
                end = buffer
            }
            let number = order.trip(atRow: row)
            let defect = defect(ofTrip: number)
            if let defect { summary.defects[defect, default: 0] += 1 }
            var identifier = RandomBits(seed: options.seed ^ 0x1d, number: UInt64(number))
            end = writer.write(trip(number), identifier: &identifier, defect: defect, to: end)
        }
        try sink(UnsafeRawBufferPointer(start: buffer, count: end - buffer))
        summary.bytes += end - buffer
        summary.rows = options.rows
        return summary
    }

    /// A null trip is sometimes published again, equal in all but its identifier.
    private func trip(_ number: Int) -> GeneratedTrip {
        let original = isRepeat(number) ? number - 1 : number
        return model.trip(original, start: order.quarter(ofTrip: original), isNull: isRepeat(original + 1))
    }

    private func isRepeat(_ number: Int) -> Bool {
        guard number > 0, number < options.rows else { return false }
        var random = RandomBits(seed: options.seed ^ 0x2e_9ea7, number: UInt64(number))
        return random.happens(650)
    }

    private func defect(ofTrip number: Int) -> TripDefect? {
        guard options.defectsPerMillion > 0 else { return nil }
        var random = RandomBits(seed: options.seed ^ 0xbad, number: UInt64(number))
        return TripDefect(rawValue: random.below(1_000_000) / options.defectsPerMillion)
    }
}
