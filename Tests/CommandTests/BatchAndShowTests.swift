import CommandSupport
import Foundation
import Testing

/// `batch` and `show` as a person runs them, on a home of their own.
@Suite struct BatchAndShowTests {
    @Test func withoutATenantTheySayWhatToDo() throws {
        let home = try Home()
        for command in [["batch"], ["show"], ["show", "fare_trend"], ["report", "-"]] {
            let result = try home.run(command)
            #expect(result.status == 66, "\(command)")
            #expect(result.errors.contains("hint: taxi-cli tenant create chicago makes it"), "\(command)")
            #expect(result.output.isEmpty)
        }
    }

    @Test func oneMonthGoesFromTripsToPictures() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        let summaryPath = home.folder.appendingPathComponent("summary.json").path
        try home.succeed(["data", "generate", "--rows", "400", "--from", "2024-03-01", "--to", "2024-03-31", csv])
        try home.succeed(["produce", csv, "--clock", "start", "--max", "--quiet"])
        try home.succeed(["stream", "--until-end", "--quiet"])

        let missing = try home.run(["show", "fare_trend"])
        #expect(missing.status == 66)
        #expect(
            missing.errors
                == "error: \"fare_trend\" has no results yet\nhint: Run taxi-cli batch first; it computes them.\n")

        try home.succeed(["batch", "--by", "month", "--period", "2024-03", "--summary-json", summaryPath])
        let summary = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: summaryPath)))
                as? [String: Any])
        #expect((summary["rows"] as? [String: Int])?["fare_trend"] == 1)
        #expect((summary["periods"] as? [String: [String]]) == ["month": ["2024-03"]])

        let trend = try home.succeed(["show", "fare_trend", "--format", "csv"]).split(separator: "\r\n")
        #expect(
            trend.first
                == "period_kind,period,trips,fare_sum,fare_mean,tips_sum,tips_mean,total_sum,total_mean,fare_p10,fare_p25,fare_p50,fare_p75,fare_p90,fare_p99,fare_sum_change,fare_sum_change_year,partial"
        )
        #expect(trend.count == 2)
        #expect(trend.last?.hasPrefix("month,2024-03,400,") == true)

        let areas = try home.succeed(["show", "area_hotspots", "--limit", "2", "--format", "table"]).split(
            separator: "\n")
        #expect(areas.count == 3)
        #expect(areas[1].hasSuffix(String(repeating: "█", count: 20)))
        #expect(try home.succeed(["show", "tripsTotal", "-n", "1", "--format", "csv"]).contains("2024-03-31"))
        #expect(try home.succeed(["show", "hotspotWindow", "-n", "3"]).split(separator: "\n").count == 3)
        #expect(
            try home.succeed(["show", "--sql", "SELECT count(*) AS n FROM runs WHERE command = 'batch'"])
                == "{\"n\":1}\n")

        // The report holds what show shows.
        let page = home.folder.appendingPathComponent("page.html").path
        let numbersFolder = home.folder.appendingPathComponent("numbers").path
        try home.succeed(["report", page, "--csv", numbersFolder, "--period", "2024-03"])
        let saved = try String(contentsOfFile: page, encoding: .utf8)
        #expect(saved.hasPrefix("<!DOCTYPE html>"))
        let made = try home.succeed(["report", "-", "--period", "2024-03", "--quiet"])
        // Apart from the minute at which it was made.
        func withoutTime(_ page: String) -> [Substring] {
            page.split(separator: "\n").filter { !$0.hasPrefix("<p class=\"lead\">") }
        }
        #expect(withoutTime(made) == withoutTime(saved))
        let numbers = try String(contentsOfFile: numbersFolder + "/fare-trend.csv", encoding: .utf8).split(
            separator: "\r\n")
        #expect(numbers.count == 2 && numbers[1].hasPrefix("2024-03,400,"))
        #expect(try home.run(["report", page, "--period", "2023-03"]).status == 66)
        #expect(try home.run(["report", "-", "--json", "-"]).status == 64)
        #expect(try home.run(["report", home.folder.path + "/none/page.html"]).status == 73)
    }

    @Test func periodsWithDaysWithoutTripsAreNamed() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        try home.succeed(["data", "generate", "--rows", "600", "--from", "2024-01-01", "--to", "2024-02-01", csv])
        try home.succeed(["stream", "--input", csv, "--until-end", "--quiet"])
        let sentence = "not on all days: 2024-02 has trips on 1 of 29 days"
        let batch = try home.run(["batch", "--by", "month"])
        #expect(batch.errors.contains(sentence), "\(batch.errors)")
        // For programs there is the view.
        #expect(try !home.run(["show", "fare_trend", "--format", "csv"]).errors.contains("not on all days"))
        let shown = try home.run(["show", "fare_trend", "--format", "table"])
        #expect(shown.errors.contains(sentence), "\(shown.errors)")
        let whole = try home.run(["show", "fare_trend", "--format", "table", "--period", "2024-01"])
        #expect(!whole.errors.contains("not on all days"), "\(whole.errors)")
        #expect(
            try home.succeed(["show", "period_coverage", "--period", "2024-02", "--format", "csv"])
                .contains("month,2024-02,tripstotal,29,1,0.034482758620689655"))
    }

    @Test func sumsOfMoneyHaveNoBinaryNoise() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        try home.succeed(["data", "generate", "--rows", "5000", "--from", "2024-01-01", "--to", "2024-01-09", csv])
        try home.succeed(["stream", "--input", csv, "--until-end", "--quiet"])
        func value(_ sql: String, _ format: String = "csv") throws -> String {
            try home.succeed(["show", "--sql", sql, "--format", format])
        }
        #expect(
            try value(
                "SELECT 11.850000000000001 AS a, 0.1 + 0.2 AS b, -0.1 * 3 AS c, 1.0 / 3 AS d, 2.0 AS e, 1e300 * 10 AS f"
            )
                == "a,b,c,d,e,f\r\n11.85,0.3,-0.3,0.3333333333333333,2,1e+301\r\n")
        #expect(try value("SELECT 11.850000000000001 AS a", "jsonl") == "{\"a\":11.85}\n")
        // A sum of doubles is the sum of the cents.
        let sums = try value(
            "SELECT sum(total_fare) AS a, (SELECT sum(fare_total_sum) FROM stored_tripstotal) AS b FROM sumfarewindow"
        )
        .split(separator: "\r\n")[1].split(separator: ",")
        #expect(sums[0].split(separator: ".").last?.count ?? 9 <= 2, "\(sums)")
        #expect(Double(sums[0]).map { ($0 * 100).rounded() } == Double(sums[1]))
    }

    @Test func viewsWithTypesAreThereForOtherTools() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        try home.succeed(["data", "generate", "--rows", "500", "--from", "2024-01-01", "--to", "2024-02-29", csv])
        try home.succeed(["stream", "--input", csv, "--until-end", "--quiet", "--queries", "analytics"])
        try home.succeed(["batch", "--quiet"])
        for view in [
            "sumfarewindow", "hotspotwindow", "fare_trend", "payment_mix", "taxis_out", "period_coverage", "runs",
        ] {
            let whole = try home.succeed(["show", "--sql", "SELECT * FROM \(view)", "--format", "csv"])
            #expect(try home.succeed(["show", "--sql", "SELECT * FROM \(view)_typed", "--format", "csv"]) == whole)
            #expect(whole.split(separator: "\r\n").count > 2, "\(view)")
        }
        // They are listed nowhere, since they tell nothing new, and audit knows them.
        #expect(try !home.succeed(["show"]).contains("_typed"))
        #expect(
            try home.succeed(["show", "tripstotal_typed", "-n", "1", "--format", "csv"]).hasPrefix("day,trips_total,"))
        try home.succeed(["audit", "--from", csv, "--clock", "start", "--strict", "--quiet"])
    }

    @Test func ownAnalysesAndQueriesHaveCharts() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        let tenant = home.folder.appendingPathComponent("home/chicago")
        try home.succeed(["tenant", "create", "chicago"])
        try FileManager.default.createDirectory(
            at: tenant.appendingPathComponent("analyses"), withIntermediateDirectories: true)
        try """
        -- name: busy_days
        -- about: days with more than five trips
        -- columns: days
        SELECT count(*) AS days FROM tripstotal WHERE day >= :from AND day < :until AND trips_total > 5
        """.write(to: tenant.appendingPathComponent("analyses/busy.sql"), atomically: true, encoding: .utf8)
        try """
        queries:
          - name: halfHours
            window: {tumbling: 30m}
            aggregates: {trips: count(), fares: sum(fare)}
            emit: append
        """.write(to: tenant.appendingPathComponent("queries.yaml"), atomically: true, encoding: .utf8)
        try home.succeed(["data", "generate", "--rows", "600", "--from", "2024-01-01", "--to", "2024-02-29", csv])
        try home.succeed(["stream", "--input", csv, "--until-end", "--quiet"])
        try home.succeed(["batch", "--quiet"])
        let charts = home.folder.appendingPathComponent("charts").path
        try home.succeed([
            "report", "-", "--svg", charts, "--chart", "busy_days", "--chart", "halfHours",
        ])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: charts).sorted() == ["busy_days.svg", "halfhours.svg"])
        let chart = try String(contentsOfFile: charts + "/busy_days.svg", encoding: .utf8)
        #expect(chart.contains("Days with more than five trips.") && chart.contains("2024-01 to 2024-02"))
        // The whole page has them last.
        let page = try home.succeed(["report", "-"])
        let sections = page.matches(of: /<section id="([^"]+)"/).map { String($0.1) }
        #expect(sections.suffix(2) == ["busy_days", "halfhours"])
    }

    @Test(arguments: [60, 80, 120, 200])
    func onATerminalTablesBarsAndSparklinesFitTheWidth(columns: Int) throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        try home.succeed(["data", "generate", "--rows", "2000", "--from", "2024-01-01", "--to", "2024-04-30", csv])
        try home.succeed(["stream", "--input", csv, "--until-end", "--quiet"])
        try home.succeed(["batch", "--quiet"])
        for (view, mark) in [
            ("area_hotspots", "█"), ("location_hotspots", "█"), ("fare_trend", "▁"), ("accumulated_metrics", "▁"),
        ] {
            let output = try home.onTerminal(["show", view], columns: columns)
            let lines = output.split(whereSeparator: \.isNewline)
            #expect(lines.count > 4, "\(view)")
            #expect(lines.allSatisfy { $0.count <= columns }, "\(view)")
            // Sixty columns have no room for a location and a bar.
            #expect(output.contains(mark) == (columns > 60 || view != "location_hotspots"), "\(view)")
        }
    }

    @Test func mistakesAreNamed() throws {
        let home = try Home()
        let csv = home.folder.appendingPathComponent("trips.csv").path
        try home.succeed(["data", "generate", "--rows", "20", csv])
        try home.succeed(["produce", csv, "--clock", "start", "--max", "--quiet"])
        try home.succeed(["stream", "--until-end", "--quiet"])
        let cases: [([String], String)] = [
            (["show", "tripstotals"], "Did you mean \"tripstotal\"?"),
            (["show", "--sql", "DELETE FROM ledger"], "only reads"),
            (["show", "--sql", "SELECT nonsense FROM runs"], "no such column: nonsense"),
            (["show", "runs", "--by", "month"], "cannot be chosen from with --by"),
            (["batch", "--period", "2024-13"], "\"13\" of period \"2024-13\" is not a month"),
            (["batch", "fare-trends"], "Did you mean \"fare-trend\"?"),
            (["batch", "accumulated", "--by", "quarter"], "accumulated has no rows by quarter"),
        ]
        for (command, message) in cases {
            let result = try home.run(command)
            #expect(result.status == 64, "\(command)")
            #expect(result.errors.contains(message), "\(command): \(result.errors)")
        }
    }
}

/// A folder that a test's runs have for themselves.
private final class Home {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("taxi-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    func run(_ arguments: [String]) throws -> Result {
        let process = Process()
        // The tests are built beside the program.
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("taxi-cli")
        process.arguments = arguments
        process.environment = ["TAXI_HOME": folder.appendingPathComponent("home").path, "TZ": "UTC"]
        let (output, errors) = (folder.appendingPathComponent("out"), folder.appendingPathComponent("err"))
        for file in [output, errors] { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
            errors: try String(contentsOf: errors, encoding: .utf8))
    }

    /// What a run says on stdout when that is a terminal.
    func onTerminal(_ arguments: [String], columns: Int) throws -> String {
        var (terminal, child): (Int32, Int32) = (-1, -1)
        let isOpen = openpty(&terminal, &child, nil, nil, nil) == 0
        try #require(isOpen)
        defer { close(terminal) }
        // Programs that other tests start meanwhile must not keep the terminal open.
        for end in [terminal, child] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("taxi-cli")
        process.arguments = arguments
        process.environment = [
            "TAXI_HOME": folder.appendingPathComponent("home").path, "COLUMNS": "\(columns)", "NO_COLOR": "1",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(fileDescriptor: child)
        process.standardError = FileHandle.nullDevice
        try process.run()
        // With the child's end closed here, reading fails as soon as the program has ended.
        close(child)
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(terminal, &piece, piece.count)
            guard count > 0 else { break }
            bytes += piece.prefix(count)
        }
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The output of a run that must not fail.
    @discardableResult
    func succeed(_ arguments: [String]) throws -> String {
        let result = try run(arguments)
        try #require(result.status == 0, "\(arguments): \(result.errors)")
        return result.output
    }
}
