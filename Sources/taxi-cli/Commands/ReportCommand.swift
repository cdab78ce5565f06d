import Basics
import Batch
import CommandLine
import Database
import Foundation
import Glibc
import Problems
import Reports
import SQLite
import Topics
import Time
import Trips

/// `report`: the analytics as one HTML page.
enum ReportCommand {
    static let command = Command(
        name: "report", summary: "write the analytics as one HTML page: charts, a map of hot spots, their numbers",
        discussion: """
            The page needs no network and no other file: quantiles and histogram of fares, totals, hours of the week, taxis at work, a map of hot spots, \
            changes of rank, and what became of each record; every chart with its numbers as a table and as CSV. Run batch first. A page \
            that is there already is replaced.
            """,
        examples: [
            Example("taxi-cli report", "months, into report.html of this folder"),
            Example("taxi-cli report --chart fare-trend --svg charts", "one chart, as a picture for a slide"),
            Example(
                "taxi-cli report 2024.html --period 2024 --png charts", "the months of a year, each chart as PNG too"),
        ],
        arguments: [
            Argument(
                "FILE.html", .optional, kind: .output,
                help:
                    "where the page goes; - for stdout (default: report.html, or none with --chart and files of charts)",
                endings: ["html"])
        ],
        options: [
            Option(
                "by", value: .value("KIND"), kind: .choice(PeriodKind.allCases.map(\.rawValue)), default: "month",
                help: "what a chart has a point for: month, quarter or year"),
            Option(
                "period", value: .value("PERIOD"),
                kind: .custom { text throws(Problem) in _ = try PeriodSelection(text) }, default: "all",
                help: "which: 2024-01, 2024-Q1, 2024, last or all"),
            Option(
                "chart", value: .repeated("NAME"),
                help: "only these charts: fare-trend, area-hotspots, … or an analysis or query of your own",
                group: "Output"),
            Option(
                "svg", value: .value("DIR"), kind: .directory, help: "write each chart into a folder as SVG",
                group: "Output"),
            Option(
                "png", value: .value("DIR"), kind: .directory,
                help: "write each chart into a folder (needs rsvg-convert)",
                group: "Output"),
            Option(
                "csv", value: .value("DIR"), kind: .directory, help: "write the numbers of each chart into a folder",
                group: "Output"),
            Option(
                "json", value: .value("FILE"), kind: .output,
                help: "write all numbers as one JSON object (- for stdout)",
                group: "Output"),
        ],
        run: run)

    /// Of files that somebody would miss.
    private static let dataEndings = [
        ".csv", ".gz", ".zst", ".db", ".yaml", ".yml", ".sql", ".avro", ".parquet", ".jsonl",
    ]

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let charts = arguments.texts("chart")
        // Who wants some charts as files has not asked for a page, least of all in the place of the whole one.
        let isOnlyFiles = !charts.isEmpty && ["json", "csv", "svg", "png"].contains { arguments.text($0) != nil }
        let page = arguments.positionals.first ?? (isOnlyFiles ? nil : "report.html")
        if page == "-", arguments.text("json") == "-" {
            throw Problem(.usage, "the page and --json cannot both go to stdout", hint: "Name a file for one of them.")
        }
        if let page, Self.dataEndings.contains(where: page.hasSuffix), Files.exists(page) {
            throw Problem(
                .usage, "\"\(page)\" is there and is no page that a report could take the place of",
                hint: "Let its name end in .html.")
        }
        let selection = try selection(arguments)
        // Before anything is written: half a report is none.
        let converter = try arguments.text("png").map { _ in
            try PictureConverter(environment: arguments.environment)
        }
        var report = try read(selection, arguments)
        if let page, !charts.isEmpty, report.figures.contains(where: { $0.id == page }) {
            throw Problem(
                .usage, "\"\(page)\" would be the page's name, and is a chart's",
                hint: "Write --chart \(charts[charts.count - 1]) --chart \(page), or ./\(page) for a file of that name."
            )
        }
        try report.keep(charts)

        if let page { try write(report.html, to: page, arguments) }
        for omission in report.omissions { try arguments.say("left out: \(omission.reason)") }
        if let file = arguments.text("json") { try write(report.json, to: file, arguments) }
        if let folder = arguments.text("csv") {
            try makeFolder(folder)
            let numbers = report.figures.flatMap(\.tables)
            for (id, _, table) in numbers { try writeFile(table.csv, to: "\(folder)/\(id).csv") }
            try arguments.say("\(folder)/: \(numbers.count) files of numbers")
        }
        if let folder = arguments.text("svg") {
            try makeFolder(folder)
            for figure in report.figures { try writeFile(figure.svg, to: "\(folder)/\(figure.id).svg") }
            try arguments.say("\(folder)/: \(report.figures.count) charts")
        }
        if let folder = arguments.text("png"), let converter {
            try makeFolder(folder)
            for figure in report.figures { try converter.write(svg: figure.svg, toPNG: "\(folder)/\(figure.id).png") }
            try arguments.say("\(folder)/: \(report.figures.count) pictures")
        }
        return .success
    }

    private static func read(_ selection: ReportSelection, _ arguments: ParsedArguments) throws -> Report {
        let options = try GlobalOptions(arguments)
        let home = options.tenantHome
        let database = try ResultsDatabase.openReadOnly(home)
        let zone = try database.zone
        return try Report(
            database.connection, selection: selection, tenant: options.tenant,
            made: try ZoneClock(identifier: zone).iso(ms: systemTime()), zone: zone,
            own: OwnTables.declared(by: options))
    }

    private static func selection(_ arguments: ParsedArguments) throws -> ReportSelection {
        try selection(
            by: PeriodKind(rawValue: arguments.text("by") ?? "month") ?? .month,
            PeriodSelection(arguments.text("period") ?? "all"))
    }

    static func selection(by kind: PeriodKind, _ periods: PeriodSelection) throws(Problem) -> ReportSelection {
        let scope: ReportSelection.Scope
        switch periods {
        case .all: scope = .all
        case .last: scope = .last
        case .one(let period):
            guard let parts = period.parts(kind) else {
                throw Problem(
                    .usage, "period \"\(period)\" is shorter than a \(kind.rawValue)",
                    hint: "Leave out --by or --period.")
            }
            scope = .one(period.description, parts: parts.map(\.description))
        }
        return ReportSelection(kind: ReportSelection.Kind(rawValue: kind.rawValue) ?? .month, scope: scope)
    }

    /// Writes a text to a file, or to stdout for "-", and says so.
    static func write(_ text: String, to path: String, _ arguments: ParsedArguments) throws {
        guard path != "-" else { return try arguments.output.write(text) }
        try writeFile(text, to: path)
        try arguments.say("\(path): \(byteText(Int64(text.utf8.count)))")
    }

    private static func makeFolder(_ path: String) throws {
        try Files.makeFolders(path, mode: 0o777, hint: "Name a folder that may be written.")
    }
}
