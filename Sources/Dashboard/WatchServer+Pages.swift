import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Reports
import SQLite
import Stream
import Telemetry
import Topics
import Time
import Trips

extension WatchServer {
    func pages(_ request: HTTPServerRequest, _ parts: [String]) throws -> HTTPServerResponse {
        switch parts.first {
        case nil: return try homePage()
        case "api": return try api(request, Array(parts.dropFirst()))
        case "t" where parts.count >= 2:
            let name = parts[1]
            guard try home.tenants().contains(name) else { throw Refusal(404, "there is no tenant \"\(name)\"") }
            if parts.count == 2, !request.path.hasSuffix("/") { return redirect("/t/\(HTML.inPath(name))/") }
            if request.method == "POST" { return try action(request, name, Array(parts.dropFirst(2))) }
            return try tenantPage(request, name, Array(parts.dropFirst(2)))
        default: throw Refusal(404, "there is no page \"\(request.path)\"")
        }
    }

    func page(
        _ title: String, tenant: String? = nil, section: String = "", isLive: Bool = false, _ body: String
    ) throws -> HTTPServerResponse {
        let page = Page(
            title: title, tenant: tenant, tenants: try home.tenants(), section: section, body: body, isLive: isLive,
            sessionToken: sessionToken)
        var response = HTTPServerResponse(type: Self.html, page.html())
        response.headers.append(("Cache-Control", "no-store"))
        return response
    }

    // MARK: Home

    private func homePage() throws -> HTTPServerResponse {
        let names = try home.tenants()
        if names.count == 1 { return redirect("/t/\(HTML.inPath(names[0]))/") }
        var table = PageTable(columns: ["tenant", "state", "records", "lag", "why"])
        for name in names {
            let look = try looks.look(name).now
            let report = NowReport(look, before: nil, day: nil)
            table.rows.append([
                name, report.state, Shown.count(look.status?.ingest?.records ?? 0),
                report.lag.records.map(Shown.count), look.findings.first?.what,
            ])
        }
        let shown = HTML.table(
            table, caption: "Tenants of this home", empty: "There is no tenant yet: taxi-cli produce makes one."
        ) {
            row, column in column == 0 ? row[0].map { "/t/\(HTML.inPath($0))/" } : nil
        }
        return try page("Tenants", shown)
    }

    // MARK: One tenant

    private func tenantPage(_ request: HTTPServerRequest, _ name: String, _ parts: [String]) throws
        -> HTTPServerResponse
    {
        let tenant = try home.tenant(name)
        switch (parts.first, parts.count) {
        case (nil, 0), ("now", 1): return try page("Now", tenant: name, isLive: true, nowBody(name))
        case ("events", 1): return HTTPServerResponse(events: events.channel(name))
        case ("windows", 1): return try windowsPage(request, name, tenant)
        case ("map", 1): return try page("Map", tenant: name, section: "map", isLive: true, mapBody(name, tenant))
        case ("analytics", 1): return try analyticsPage(name, tenant)
        case ("report", 1): return try reportPage(tenant)
        case ("workflows", 1):
            return try page("Workflows", tenant: name, section: "workflows", isLive: true, workflowsBody(name, tenant))
        case ("workflows", 2):
            // A workflow's name, or a run's id: a run's page is loaded again and again while it runs.
            if let state = try tenant.state(ofRun: parts[1]) {
                return try page(
                    "Run \(parts[1])", tenant: name, section: "workflows", isLive: true,
                    runBody(name, tenant, parts[1], state: state))
            }
            guard try tenant.workflows().rows.contains(where: { $0.first == parts[1] }) else {
                throw Refusal(404, "there is no workflow and no run \"\(parts[1])\"")
            }
            return try page(
                parts[1], tenant: name, section: "workflows", isLive: true, workflowBody(name, tenant, parts[1]))
        case ("models", 1): return try page("Models", tenant: name, section: "models", isLive: true, modelsBody(tenant))
        case ("topics", 1): return try page("Topics", tenant: name, section: "topics", isLive: true, topicsBody(name))
        case ("topics", 2):
            return try page(parts[1], tenant: name, section: "topics", recordsBody(request, name, tenant, parts[1]))
        case ("topics", 4):
            return try page(
                "\(parts[1]) \(parts[2])/\(parts[3])", tenant: name, section: "topics",
                recordBody(name, tenant, topic: parts[1], partition: parts[2], offset: parts[3]))
        case ("dead-letters", 1):
            return try page(
                "Dead letters", tenant: name, section: "dead-letters", isLive: true,
                deadLettersBody(request, name, tenant))
        case ("schemas", 1): return try schemasPage(name)
        case ("schemas", 2...):
            return try schemaPage(request, name, subject: parts.dropFirst().joined(separator: "/"))
        case ("settings", 1):
            return try page(
                "Settings", tenant: name, section: "settings",
                HTML.table(
                    try tenant.settings(), caption: "Settings and where each comes from", empty: "There are none."))
        default: throw Refusal(404, "there is no page \"\(request.path)\"")
        }
    }

    /// The newest day, from a tenant's results.
    func day(of tenant: any TenantPages) throws -> NowReport.Day? {
        let path = tenant.watched.home.resultsDB
        guard let database = try ResultsDatabase.openReadOnlyIfAny(path: path) else { return nil }
        return try NowReport.Day(on: database.connection, ZoneClock(identifier: database.zone))
    }

    func nowReport(_ name: String) throws -> NowReport {
        let (look, before) = try looks.look(name)
        // A database that cannot be read is a finding already.
        return NowReport(look, before: before, day: (try? day(of: home.tenant(name))) ?? nil)
    }

    private func healthBox(_ report: NowReport) -> String {
        var html =
            "<div class=\"health \(report.findings.isEmpty ? (report.warnings.isEmpty ? "" : "warning") : "failing")\" role=\"status\">"
        if report.findings.isEmpty {
            let words = [
                "ok": "Healthy: something runs, and nothing is wrong.", "idle": "Nothing runs, and nothing is wrong.",
                "empty": "No record has come in yet.",
            ]
            html += "<p>\(words[report.state] ?? report.state)</p>"
        }
        for finding in report.findings {
            let since = finding.since.map { " since \(Shown.time($0))" } ?? ""
            html +=
                "<p><strong class=\"bad\">\(escaped(finding.rule.replacing("_", with: " ")))</strong>\(since): \(escaped(finding.what)).</p>"
            if let remedy = finding.remedy { html += "<p class=\"remedy\">\(escaped(remedy))</p>" }
        }
        for warning in report.warnings { html += "<p class=\"remedy\">\(escaped(warning))</p>" }
        return html + "</div>"
    }

    private func nowBody(_ name: String) throws -> String {
        let report = try nowReport(name)
        func card(_ title: String, _ value: String, _ note: String = "") -> String {
            "<div class=\"card\"><dt>\(title)</dt><dd>\(escaped(value))\(note.isEmpty ? "" : "<small>\(escaped(note))</small>")</dd></div>"
        }
        var html = "<div data-part=\"health\">\(healthBox(report))</div><div data-part=\"day\">"
        if let day = report.day {
            html += "<h2>Event day \(escaped(day.day))</h2><dl class=\"cards\">"
            html +=
                card("Trips", Shown.count(day.trips)) + card("Fares", Shown.money(day.fares))
                + card("Tips", Shown.money(day.tips)) + "</dl>"
            let last = Shown.time(report.watermark ?? report.newestEvent).suffix(8).description
            func curve(_ name: String, _ all: String, _ values: [Double], _ shown: (Double?) -> String) -> String {
                HTML.curve(
                    values, label: "\(name) of each 15 minutes of \(day.day), \(all) in all",
                    top: "\(name.lowercased()) of 15 minutes, at most \(shown(values.max()))", from: "00:00", to: last)
            }
            html +=
                "<div class=\"curves\">"
                + curve("Trips", Shown.count(day.trips), day.curve.map { Double($0.trips) }) { Shown.number($0) }
                + curve("Fares", Shown.money(day.fares), day.curve.map(\.fares), Shown.money)
                + curve("Tips", Shown.money(day.tips), day.curve.map(\.tips), Shown.money) + "</div>"
        }
        html += "</div><div data-part=\"rates\"><h2>Rates and lag</h2><dl class=\"cards\">"
        html += card(
            "Sent", report.rateSent.map { "\(Shown.number($0))/s" } ?? "–",
            report.askedRate.map { "asked \(Shown.number($0))/s" } ?? "")
        html += card("In", report.rateIn.map { "\(Shown.number($0))/s" } ?? "–")
        html += card("Processed", report.rateProcessed.map { "\(Shown.number($0))/s" } ?? "–")
        html += card("Results", report.rateResults.map { "\(Shown.number($0))/s" } ?? "–")
        html += card(
            "Lag", report.lag.records.map { "\(Shown.count($0)) records" } ?? "–",
            report.lag.seconds.map { "\(Shown.duration(seconds: $0)) old, \(report.lag.trend ?? "at rest")" } ?? "")
        html += card(
            "Lag is gone in",
            report.lag.clearSeconds == 0 ? "keeps up" : Shown.duration(seconds: report.lag.clearSeconds))
        html += card(
            "Latency p50", Shown.duration(seconds: report.latencyP50),
            "p99 \(Shown.duration(seconds: report.latencyP99))")
        html += card("Watermark", Shown.time(report.watermark), "newest event \(Shown.time(report.newestEvent))")
        html += "</dl>\(historyCurves(name))</div><div data-part=\"queries\"><h2>Queries</h2>"
        var queries = PageTable(columns: [
            "query", "state", "records", "results", "late", "skipped", "open windows", "state memory", "watermark",
        ])
        for query in report.queries {
            queries.rows.append([
                query.name, query.state, Shown.count(query.records), Shown.count(query.results),
                Shown.count(query.late),
                Shown.count(query.skipped), query.openWindows.map { Shown.number($0) },
                query.stateBytes.map { Shown.bytes($0) },
                Shown.time(query.watermark),
            ])
        }
        html += HTML.table(
            queries, caption: "All queries", empty: "No query has read anything yet: taxi-cli stream runs them."
        ) {
            row, column in column == 0 ? "windows?view=\(HTML.inPath(row[0] ?? ""))" : nil
        }
        html += "</div><div data-part=\"sources\"><h2>Partitions</h2>"
        var sources = PageTable(columns: [
            "partition", "records", "lag", "oldest waits", "in /s", "processed /s", "gone in", "trend",
            "watermark waits",
        ])
        for source in report.sources {
            sources.rows.append([
                "\(source.partition)", Shown.count(source.records), source.lagRecords.map(Shown.count),
                source.lagSeconds.map { Shown.duration(seconds: $0) }, Shown.number(source.rateIn, 1),
                Shown.number(source.rateProcessed, 1), Shown.duration(seconds: source.clearSeconds), source.trend,
                source.holdsBack ? "for this one" : "",
            ])
        }
        html += HTML.table(
            sources, caption: "The source that the stream reads", empty: "No stream has read a source yet.")
        html += "</div><div data-part=\"processes\"><h2>Processes</h2>"
        html += HTML.table(
            PageTable(
                columns: ["command", "process", "started"],
                rows: report.processes.map { [$0.command, "\($0.pid)", Shown.time($0.started)] }),
            caption: "What runs", empty: "Nothing runs.")
        return html + "</div>"
    }

    private func historyCurves(_ name: String) -> String {
        let history = events.history(name)
        return [
            ("sent", "Sent a second, the last 15 minutes"), ("processed", "Processed a second, the last 15 minutes"),
            ("lag_records", "Lag in records, the last 15 minutes"),
        ]
        .compactMap { series, title in
            guard let values = history?.recent(series), values.contains(where: { $0 > 0 }) else { return nil }
            return "<h3>\(title)</h3>"
                + HTML.curve(
                    values, label: "\(title): now \(Shown.number(values.last)), at most \(Shown.number(values.max()))",
                    top: "at most \(Shown.number(values.max()))", from: "15 minutes ago", to: "now")
        }.joined()
    }
}
