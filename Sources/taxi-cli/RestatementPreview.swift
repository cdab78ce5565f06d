import Basics
import CommandLine
import Stream
import Time
import Trips

/// Says what a restatement would change: a row a query on stdout, and beside it what is to be known of the files.
struct RestatementPreview {
    private let prepared: PreparedRestatement
    private let zone: ZoneClock

    init(_ prepared: PreparedRestatement, zone: ZoneClock) { (self.prepared, self.zone) = (prepared, zone) }

    func write(_ arguments: ParsedArguments) throws {
        try arguments.write(table)
        try arguments.output.flush()
        for line in files + largest { try arguments.say(line) }
        for (query, reason) in prepared.impossible { try arguments.say("\(query) cannot be put right: \(reason)") }
    }

    private var table: Table {
        var table = Table(columns: [
            Column("query"), Column("windows", .right), Column("windows_new", .right), Column("rows", .right),
            Column("rows_new", .right), Column("changed", .right), Column("added", .right), Column("withdrawn", .right),
            Column("trips", .right), Column("trips_new", .right), Column("fares", .right), Column("fares_new", .right),
        ])
        for difference in prepared.differences {
            let (before, after) = (difference.before, difference.after)
            func windows(_ totals: RestateDifference.Totals) -> Table.Value {
                difference.isWindowed ? .count(totals.windows) : .null
            }
            func trips(_ totals: RestateDifference.Totals) -> Table.Value {
                difference.hasTrips ? .count(totals.trips) : .null
            }
            func fares(_ totals: RestateDifference.Totals) -> Table.Value {
                difference.hasFares ? .text(Self.dollars(totals.fareCents)) : .null
            }
            table.rows.append([
                .text(difference.query), windows(before), windows(after), .count(before.rows), .count(after.rows),
                .count(difference.changed), .count(difference.new), .count(difference.withdrawn), trips(before),
                trips(after), fares(before), fares(after),
            ])
        }
        return table
    }

    private static func dollars(_ cents: Int64) -> String {
        let (whole, rest) = cents.magnitude.quotientAndRemainder(dividingBy: 100)
        return "\(cents < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }

    private var files: [String] {
        let counts = prepared.files
        var lines = ["the files have \(grouped(counts.inPeriod)) trips of the period"]
        if counts.outside > 0, let times = counts.outsideTimes {
            lines.append(
                "left out: \(grouped(counts.outside)) trips of other times, \(zone.iso(ms: times.lowerBound)) to \(zone.iso(ms: times.upperBound))"
            )
        }
        for (reason, count) in counts.rejected.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            lines.append("rejected: \(grouped(count)) \(reason.rawValue)")
        }
        for (rule, count) in counts.filtered.sorted(by: { $0.key < $1.key }) {
            lines.append("filtered: \(grouped(Int64(count))) by \(rule)")
        }
        if let first = counts.emptyDays.first, let last = counts.emptyDays.last {
            lines.append(
                "warning: the files have no trip on \(counts.emptyDays.count) day\(counts.emptyDays.count == 1 ? "" : "s") of the period, from \(Calendar.text(ofDay: first)) to \(Calendar.text(ofDay: last))"
            )
        }
        return lines
    }

    private var largest: [String] {
        prepared.differences.flatMap { difference in
            difference.largest.map { change in
                func text(_ count: Int64?) -> String { count.map { grouped($0) } ?? "none" }
                return "  \(difference.query) \(change.row): \(text(change.before)) → \(text(change.after)) trips"
            }
        }
    }
}
