import Basics
import Trips

/// Counts what a profile shows, batch by batch, in memory that does not grow with the file (below 300 MB).
struct FileTally {
    private let kind: TripFileKind
    private(set) var rows = 0
    private(set) var findings = FileProfile.Findings()
    private(set) var columns: [ColumnTally]
    private(set) var stepsBack = 0
    /// Greatest common divisor of all times, in seconds since midnight.
    private var timeUnit: Int64 = 3600
    private var lastStart = Int64.min
    private var days = DistinctSample(capacity: 1 << 16)

    /// Different values of a column that are counted exactly, and trips that are checked for having come before.
    static let exactValues = 1 << 16
    static let exactTrips = 1 << 21

    init(fields: [TripField], kind: TripFileKind = .taxi) {
        self.kind = kind
        columns = fields.map { ColumnTally($0, capacity: $0 == .tripID ? Self.exactTrips : Self.exactValues) }
    }

    mutating func add(_ batch: TripBatch) {
        rows += batch.count
        for index in columns.indices { columns[index].add(batch) }
        if has(.startTimestamp) { addStarts(batch) }
        if has(.endTimestamp) { addEnds(batch) }
        if has(.seconds), has(.miles) { addSpeeds(batch) }
        addAmounts(batch)
    }

    private func has(_ field: TripField) -> Bool { columns.contains { $0.field == field } }

    private mutating func addStarts(_ batch: TripBatch) {
        let starts = batch.column(.startTimestamp)
        var day = Int64.min
        for row in 0..<batch.count where starts[row] != nullCell {
            let seconds = WallTime(cell: starts[row]).seconds
            if seconds < lastStart { stepsBack += 1 }
            lastStart = seconds
            if seconds % timeUnit != 0 { coarsen(seconds) }
            let newDay = seconds / 86400
            if newDay != day { days.add(mixed64(UInt64(bitPattern: newDay) &+ 1)) }
            day = newDay
        }
    }

    private mutating func addEnds(_ batch: TripBatch) {
        let (starts, ends) = (batch.column(.startTimestamp), batch.column(.endTimestamp))
        let hasStarts = has(.startTimestamp)
        for row in 0..<batch.count where ends[row] != nullCell {
            let end = WallTime(cell: ends[row]).seconds
            if end % timeUnit != 0 { coarsen(end) }
            guard hasStarts, starts[row] != nullCell else { continue }
            let start = WallTime(cell: starts[row]).seconds
            if end < start { findings.endBeforeStart += 1 }
            if end == start { findings.endEqualsStart += 1 }
        }
    }

    private mutating func coarsen(_ seconds: Int64) {
        for unit: Int64 in [3600, 1800, 900, 300, 60, 1] where unit <= timeUnit && seconds % unit == 0 {
            timeUnit = unit
            return
        }
    }

    private mutating func addSpeeds(_ batch: TripBatch) {
        let (seconds, miles) = (batch.column(.seconds), batch.column(.miles))
        for row in 0..<batch.count where seconds[row] != nullCell && miles[row] != nullCell {
            let millionths = PackedDecimal(cell: miles[row]).millionths
            if seconds[row] == 0 && millionths == 0 {
                findings.nullTrips += 1
                continue
            }
            // More than 100 miles in 3600 seconds; any miles in no time are faster still.
            let (hourly, overflow) = millionths.multipliedReportingOverflow(by: 36)
            if overflow || hourly / 1_000_000 > seconds[row]
                || (hourly / 1_000_000 == seconds[row] && hourly % 1_000_000 > 0)
            {
                findings.fasterThan100Mph += 1
            }
        }
    }

    private mutating func addAmounts(_ batch: TripBatch) {
        let parts: [TripField] = [.fare, .tips, .tolls, .extras]
        if has(.fare) {
            let fares = batch.column(.fare)
            for row in 0..<batch.count where fares[row] > 100_000 { findings.fareAbove1000 += 1 }
        }
        for field in parts + [.total] where has(field) {
            let cents = batch.column(field)
            for row in 0..<batch.count where cents[row] < 0 && cents[row] != nullCell { findings.negativeAmounts += 1 }
        }
        // Ride-hailing has no tolls of its own.
        let added = parts.filter { $0 != .tolls || kind == .taxi }
        guard has(.total), added.allSatisfy(has) else { return }
        let total = batch.column(.total)
        let columns = added.map { batch.column($0) }
        for row in 0..<batch.count where total[row] != nullCell {
            var sum: Int64 = 0
            var isWhole = true
            for column in columns {
                isWhole = isWhole && column[row] != nullCell
                sum &+= column[row]
            }
            if isWhole, sum != total[row] { findings.totalIsNotSum += 1 }
        }
    }
}

extension FileTally {
    var times: FileProfile.Times {
        let starts = columns.first { $0.field == .startTimestamp }
        let ends = columns.first { $0.field == .endTimestamp }
        return FileProfile.Times(
            firstStart: starts?.profile(rows: rows).minimum, lastStart: starts?.profile(rows: rows).maximum,
            firstEnd: ends?.profile(rows: rows).minimum, lastEnd: ends?.profile(rows: rows).maximum,
            days: days.distinct, moments: starts?.distinct.distinct ?? 0, isSorted: stepsBack == 0,
            stepsBack: stepsBack,
            roundedToMinutes: Int(timeUnit / 60))
    }

    /// Sums of money columns in dollars.
    var sums: [String: String] {
        columns.filter { $0.field.kind == .money }
            .reduce(into: [:]) { $0[$1.field.name] = $1.text($1.sum) }
    }

    var quotedShare: Double {
        let texts = columns.reduce(0) { $0 + $1.texts }
        return texts == 0 ? 0 : Double(columns.reduce(0) { $0 + $1.quoted }) / Double(texts)
    }

    func commonest(_ field: TripField, _ count: Int) -> [FileProfile.Share] {
        columns.first { $0.field == field }?.commonest(count) ?? []
    }

    /// The findings with those that only the end of the file shows.
    var allFindings: FileProfile.Findings {
        var findings = findings
        findings.rounded = columns.reduce(0) { $0 + $1.rounded }
        if let identifiers = columns.first(where: { $0.field == .tripID })?.distinct {
            findings.repeatedTripIDs = identifiers.surplus
            findings.isRepeatedExact = identifiers.isExact
        }
        return findings
    }
}
