import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Reports
import SQLite
import Time

extension WatchServer {
    // MARK: Windows

    func windowsPage(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages) throws
        -> HTTPServerResponse
    {
        let views = try tenant.views()
        let asked = request.parameter("view")?.lowercased() ?? "sumfarewindow"
        let view = views.contains(asked) ? asked : views.first ?? ""
        let limit = min(max(Int(request.parameter("limit") ?? "") ?? 240, 10), 2000)
        var html = "<form data-auto class=\"controls\" method=\"get\"><label>Table <select name=\"view\">"
        for other in views { html += "<option\(other == view ? " selected" : "")>\(escaped(other))</option>" }
        html += "</select></label><label>Rows <select name=\"limit\">"
        for count in [60, 240, 720, 2000] { html += "<option\(count == limit ? " selected" : "")>\(count)</option>" }
        html +=
            "</select></label><noscript><button>Show</button></noscript><button type=\"button\" data-pause aria-pressed=\"false\">Pause</button></form><div data-part=\"windows\">"
        guard !view.isEmpty else {
            return try page(
                "Windows", tenant: name, section: "windows",
                html + "<p class=\"empty\">There are no results yet: taxi-cli stream makes them.</p></div>")
        }
        let table = try tenant.rows(ofView: view, limit: limit)
        // One picture for each column of numbers, where a row is a window and not one of its groups.
        let isSeries = table.columns.first == "window_start" && Set(table.rows.map { $0[0] }).count == table.rows.count
        if isSeries || table.columns.first == "day" {
            for (column, title) in table.columns.enumerated() where column > 0 {
                let values = table.rows.compactMap { $0[column].flatMap { Double($0) } }
                guard values.count == table.rows.count, values.count > 1 else { continue }
                html += "<h2>\(escaped(title.replacing("_", with: " ")))</h2>"
                html += HTML.curve(
                    values, label: "\(title), \(values.count) rows to \(Shown.time(table.rows.last?[0]))",
                    top: "at most \(Shown.number(values.max(), 2))", from: Shown.time(table.rows.first?[0]),
                    to: Shown.time(table.rows.last?[0]))
            }
        }
        html += HTML.table(
            PageTable(columns: table.columns, rows: table.rows.suffix(200).reversed()),
            caption: "\(view), the newest first", empty: "\(view) has no rows yet.")
        return try page("Windows", tenant: name, section: "windows", isLive: true, html + "</div>")
    }

    // MARK: Map

    func mapBody(_ name: String, _ tenant: any TenantPages) throws -> String {
        let nothing = "<p class=\"empty\">There are no hot spots yet: taxi-cli stream finds them.</p>"
        guard let database = try ResultsDatabase.openReadOnlyIfAny(path: tenant.watched.home.resultsDB),
            let range = try MapFrame.range(on: database.connection)
        else { return nothing }
        let clock = try ZoneClock(identifier: database.zone)
        let frame = try MapFrame(on: database.connection, endMs: range.upperBound, clock)
        let first = max(range.lowerBound, range.upperBound - 86_400_000)
        var html =
            "<p>Where trips began in a quarter of an hour of event time: the shade of an area is its number of pickups, a circle is a location.</p>"
        html +=
            "<div class=\"controls\"><button type=\"button\" data-play>Play</button><input type=\"range\" aria-label=\"Event time\" data-map=\"/api/t/\(HTML.inPath(name))/map\" min=\"\(first)\" max=\"\(range.upperBound)\" step=\"300000\" value=\"\(range.upperBound)\"></div>"
        html +=
            "<div data-part=\"map\"><p id=\"map-time\" aria-live=\"polite\">\(escaped(frame.time))</p><div class=\"columns\"><div>\(frame.svg)</div><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Most pickups\"><table><caption>Most pickups</caption><thead><tr><th scope=\"col\">area</th><th scope=\"col\" class=\"n\">pickups</th></tr></thead><tbody id=\"map-list\">"
        for row in frame.top {
            html += "<tr><td>\(escaped(row[0]))</td><td class=\"n\">\(escaped(row[1]))</td></tr>"
        }
        return html + "</tbody></table></div></div></div>"
    }

    // MARK: Analytics

    func analyticsPage(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages) throws
        -> HTTPServerResponse
    {
        let views = try tenant.analyses()
        var html =
            "<p><a href=\"/t/\(HTML.inPath(name))/report\">The report</a> has all charts on one page, with their numbers.</p><div data-part=\"analytics\">"
        for view in views {
            let table = try tenant.rowsForPeople(ofView: view)
            html +=
                "<h2>\(escaped(view.replacing("_", with: " ")))</h2>"
                + HTML.table(table, caption: "The newest months of \(view)", empty: "No rows yet.")
        }
        if views.isEmpty { html += "<p class=\"empty\">Nothing is computed yet: taxi-cli batch does it.</p>" }
        return try page("Analytics", tenant: name, section: "analytics", isLive: true, html + "</div>")
    }

    /// The report's page has its styles within, and no script that it needs.
    func reportPage(_ tenant: any TenantPages) throws -> HTTPServerResponse {
        var response = HTTPServerResponse(type: Self.html, try tenant.report())
        response.headers.append(
            (
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-downloads"
            ))
        response.headers.append(("Cache-Control", "no-store"))
        return response
    }
}
