import Basics
import Database
public import Problems
public import SQLite

/// A tenant's analytics as charts with their numbers.
public struct Report: Sendable {
    public let tenant: String
    /// The local time at which it was made, and the zone of all times.
    public let made: String
    public let zone: String
    /// The first and the last period, the same for one alone.
    public let span: (first: String, last: String)
    /// Those that there are results of, in the order of the page.
    public private(set) var figures: [Figure]
    /// Charts that are left out although their analysis ran, each with the reason.
    public private(set) var omissions: [(id: String, reason: String)]
    /// Headline numbers.
    let facts: [(name: String, value: String)]

    /// Reads everything on one snapshot of the database.
    ///
    /// - Parameters:
    ///   - made: ISO 8601, the wall time at which the report is made.
    ///   - zone: the tenant's time zone.
    ///   - own: tables of the tenant's own making, which come last.
    /// - Throws: `Problem(.noInput)` where no analytics have been computed, or none of the chosen period.
    public init(
        _ connection: Connection, selection: ReportSelection, tenant: String, made: String, zone: String,
        own: [OwnTable] = []
    ) throws {
        (self.tenant, self.made, self.zone) = (tenant, made, zone)
        (span, figures, omissions, facts) = try explaining("reading the results") {
            try connection.snapshot {
                let reader = try ReportReader(connection, selection)
                let periods = try reader.periods()
                let late = try LateTrips(on: connection).of(periods: periods)
                let trend = try reader.fareTrend(periods)
                var figures = try Self.figures(reader, periods, trend)
                var omissions = try Self.omissions(reader, figures)
                try Self.add(own, reader, periods, to: &figures, &omissions)
                let focus = try reader.focus(periods).map { [$0] }
                for index in figures.indices {
                    // The map is of one period alone.
                    let own = figures[index].id == Figure.mapID ? focus : nil
                    let sentences = late.of(views: figures[index].sources, periods: own).sentences
                    if !sentences.isEmpty { figures[index].warning = sentences.joined(separator: "; ") + "." }
                }
                let span = (first: periods[0], last: periods[periods.count - 1])
                for index in figures.indices {
                    let own = figures[index].id == Figure.mapID ? focus?[0] : nil
                    figures[index].remark = try Self.remark(figures[index], reader, own.map { [$0] } ?? periods)
                    let time =
                        figures[index].time ?? own
                        ?? (span.first == span.last ? span.first : "\(span.first) to \(span.last)")
                    figures[index].source =
                        "Source: \(figures[index].views) of tenant \(tenant), \(time), times in \(zone); "
                        + "made by taxi-cli \(made.prefix(16).replacing("T", with: " "))"
                }
                return (span, figures, omissions, Self.facts(trend))
            }
        }
    }

    /// Leaves all charts out but some.
    ///
    /// - Parameter ids: of the charts to keep; all where there are none.
    /// - Throws: `Problem(.usage)` for one that there is not, with the nearest.
    public mutating func keep(_ ids: [String]) throws(Problem) {
        guard !ids.isEmpty else { return }
        let known = figures.map(\.id)
        let ids = ids.map { id in
            // Own queries may have capital letters in their names.
            figures.first { $0.own?.name == id }?.id ?? id
        }
        for id in ids where !known.contains(id) {
            if let omission = omissions.first(where: { $0.id == id }) {
                throw Problem(.noInput, "there is no chart \"\(id)\": \(omission.reason)")
            }
            let near = nearestName(to: id, among: known).map { "Did you mean \"\($0)\"? " } ?? ""
            throw Problem(
                .usage, "there is no chart \"\(id)\"", hint: near + "There are: \(known.joined(separator: ", ")).")
        }
        figures = figures.filter { ids.contains($0.id) }
    }

    private static func add(
        _ own: [OwnTable], _ reader: ReportReader, _ periods: [String], to figures: inout [Figure],
        _ omissions: inout [(id: String, reason: String)]
    ) throws {
        for table in own {
            let isTaken = figures.flatMap(\.tables).contains { $0.id == table.view }
            let id = isTaken ? "own-\(table.view)" : table.view
            do throws(any Error) {
                let chart = try reader.own(table, periods)
                figures.append(.own(table, chart, id: id, try reader.days(Coverage.allTrips)))
            } catch let nothing as ReportReader.NothingToDraw {
                omissions.append((id, "\(table.name): \(nothing.reason)"))
            }
        }
    }

    /// What a figure has to say of days without trips in its periods.
    private static func remark(_ figure: Figure, _ reader: ReportReader, _ periods: [String]) throws -> String? {
        guard let source = figure.covered else { return nil }
        let own = figure.table.columns.first?.name == "period" ? Set(figure.table.texts("period")).sorted() : periods
        let isDrawn = figure.id != Figure.mapID && figure.table.columns.first?.name == "period"
        return try reader.days(source).remark(own, isDrawn: isDrawn)
    }

    private static func figures(
        _ reader: ReportReader, _ periods: [String], _ trend: ReportTable?
    ) throws -> [Figure] {
        var figures: [Figure] = []
        let days = try reader.days(Coverage.allTrips)
        if let trend { figures.append(.fareTrend(trend, days)) }
        if let fares = try reader.fareDistribution(periods), !fares.rows.isEmpty {
            figures.append(.fareHistogram(fares))
        }
        if let totals = try reader.totals(periods) { figures.append(.totals(totals.table, kind: totals.kind, days)) }
        if let hours = try reader.hourOfWeek(periods), !hours.rows.isEmpty { figures.append(.hourOfWeek(hours)) }
        if let taxis = try reader.taxisOut(periods) { figures.append(.taxisOut(taxis)) }
        if let focus = try reader.focus(periods), let areas = try reader.areas(of: focus) {
            let locations = try reader.locations(of: focus)
            figures.append(
                .map(areas: areas, locations: locations ?? ReportTable(columns: [], rows: []), period: focus))
        }
        if let ranks = try reader.ranks(periods) {
            figures.append(.ranks(ranks, try reader.days("hotspotcommunitywindow")))
        }
        for mix in Mix.allCases {
            if let shares = try reader.mix(mix, periods) { figures.append(.mix(mix, shares, days)) }
        }
        if let errors = try reader.modelErrors() { figures.append(.modelErrors(errors)) }
        if let quality = try reader.quality() { figures.append(.quality(quality)) }
        return figures
    }

    /// An analysis that has rows of no period: the files had no such column, as those of ride-hailing.
    private static func omissions(
        _ reader: ReportReader, _ figures: [Figure]
    ) throws -> [(id: String, reason: String)] {
        let charts =
            [("taxis_out", Figure.taxisOutID, Figure.taxisOutTitle, "taxi_id")]
            + Mix.allCases.map { ($0.view, $0.id, $0.title, $0.column) }
        return charts.filter { view, id, _, _ in reader.has(view) && !figures.contains { $0.id == id } }.map {
            _, id, title, column in (id, "\(title): no trip of these periods has a \(column)")
        }
    }

    private static func facts(_ trend: ReportTable?) -> [(name: String, value: String)] {
        guard let trend else { return [] }
        func sum(_ name: String) -> Double { trend.numbers(name).reduce(0) { $0 + ($1 ?? 0) } }
        let median = trend.numbers("fare_p50").last.flatMap { $0 }.map { fixed($0, decimals: 2) } ?? "-"
        return [
            ("trips", grouped(fixed(sum("trips"), decimals: 0))),
            ("dollars of fares", grouped(fixed(sum("fare_sum"), decimals: 0))),
            ("dollars of tips", grouped(fixed(sum("tips_sum"), decimals: 0))),
            ("median fare, \(trend.texts("period").last ?? "")", median),
        ]
    }

    /// Everything as one JSON object: `figures` by name, each with its title and its rows as objects; `omitted`, by name as well,
    /// says why others are not there.
    public var json: String {
        let parts = figures.flatMap(\.tables).map { numbers in
            "\(jsonText(numbers.id)):{\"title\":\(jsonText(numbers.title)),\"rows\":\(numbers.table.json)}"
        }
        let reasons = omissions.map { "\(jsonText($0.id)):\(jsonText($0.reason))" }.joined(separator: ",")
        let omitted = omissions.isEmpty ? "" : ",\"omitted\":{\(reasons)}"
        return "{\"tenant\":\(jsonText(tenant)),\"zone\":\(jsonText(zone)),\"made\":\(jsonText(made)),"
            + "\"first_period\":\(jsonText(span.first)),\"last_period\":\(jsonText(span.last)),\"figures\":{\n"
            + parts.joined(separator: ",\n") + "\n}\(omitted)}\n"
    }
}
