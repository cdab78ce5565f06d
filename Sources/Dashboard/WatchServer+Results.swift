import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Reports
import SQLite
import Stream
import Time

extension WatchServer {
    // MARK: Windows

    func windowsPage(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages) throws
        -> HTTPServerResponse
    {
        let views = try tenant.views()
        let asked = request.parameter("view")?.lowercased() ?? "sumfarewindow"
        let view = views.contains(asked) ? asked : views.first ?? ""
        let limit = Int(min(max(try Self.number("limit", of: request) ?? 240, 10), 2000))
        let clock = try ZoneClock(identifier: looks.look(name).now.zone)
        let times = try Self.times(of: request, clock)
        var html = "<form data-auto class=\"controls\" method=\"get\"><label>Table <select name=\"view\">"
        for other in views { html += "<option\(other == view ? " selected" : "")>\(escaped(other))</option>" }
        html += "</select></label><label>Rows <select name=\"limit\">"
        for count in [60, 240, 720, 2000] { html += "<option\(count == limit ? " selected" : "")>\(count)</option>" }
        html += "</select></label>"
        for (title, field) in [("From", "from"), ("to", "to")] {
            html +=
                "<label>\(title) <input type=\"datetime-local\" step=\"1\" name=\"\(field)\" value=\"\(escaped(request.parameter(field) ?? ""))\"></label>"
        }
        html +=
            "<button>Show</button><button type=\"button\" data-pause aria-pressed=\"false\">Pause</button></form><div data-part=\"windows\">"
        guard !view.isEmpty else {
            return try page(
                "Windows", tenant: name, section: "windows",
                html + "<p class=\"empty\">There are no results yet: taxi-cli stream makes them.</p></div>")
        }
        let table = try tenant.rows(ofView: view, limit: limit, times: times)
        let isTimed = ["window_start", "day"].contains(table.columns.first)
        if times != nil, !isTimed { html += "<p class=\"remedy\">\(escaped(view)) has no times to choose from.</p>" }
        html += isTimed ? Self.chart(of: view, table, tenant) : ""
        html += HTML.table(
            PageTable(columns: table.columns, rows: table.rows.suffix(200).reversed()),
            caption: "\(view), the newest first",
            empty: times == nil ? "\(view) has no rows yet." : "\(view) has no rows of this time.")
        if isTimed, let first = table.rows.first?[0] {
            let base = "?view=\(HTML.inPath(view))&amp;limit=\(limit)"
            html += "<p><a href=\"\(base)&amp;to=\(HTML.inPath(String(first.prefix(19))))\">Earlier</a>"
            html += (times == nil ? "" : " · <a href=\"\(base)\">The newest</a>") + "</p>"
        }
        return try page("Windows", tenant: name, section: "windows", isLive: true, html + "</div>")
    }

    /// What `from` and `to` name; nil where neither does.
    static func times(of request: HTTPServerRequest, _ clock: ZoneClock) throws(Refusal) -> Range<EventTime>? {
        let (from, to) = (try time("from", of: request, clock), try time("to", of: request, clock))
        guard from != nil || to != nil else { return nil }
        let all: ClosedRange<EventTime> = .times
        let (first, end) = (from ?? all.lowerBound, to ?? all.upperBound)
        guard first < end else { throw Refusal(400, "from has to be earlier than to") }
        return first..<end
    }

    private static func chart(of view: String, _ table: PageTable, _ tenant: any TenantPages) -> String {
        // A query that is declared no more has rows all the same.
        let keys = (try? tenant.watched.plans())?.first { $0.table == view }?.keyColumns
        let figure = Figure.rows(view, columns: table.columns, keys: keys, table.rows) { text in
            RFC3339.parse(text.count == 10 ? "\(text)T00:00:00Z" : text)
        } name: { column, value in
            column == "pickup_community_area" ? MapFrame.name(ofArea: value) : value
        }
        guard let figure else { return "" }
        return "<figure>\(figure.pictures)</figure>"
            + (figure.note.isEmpty ? "" : "<p class=\"remedy\">\(escaped(figure.note))</p>")
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

    func analyticsPage(_ name: String, _ tenant: any TenantPages) throws -> HTTPServerResponse {
        var html =
            "<p><a href=\"/t/\(HTML.inPath(name))/report\">The report</a> has the same on a page of its own, to keep or to print.</p><div data-part=\"analytics\" data-every=\"15\">"
        let views = try tenant.analyses()
        if views.isEmpty { html += "<p class=\"empty\">Nothing is computed yet: taxi-cli batch does it.</p>" }
        for figure in views.isEmpty ? [] : try tenant.report().figures {
            html += "<h2 id=\"\(escaped(figure.id))\">\(escaped(figure.title))</h2><p>\(escaped(figure.note))</p>"
            for remark in [figure.remark, figure.warning].compactMap({ $0 }) { html += "<p>\(escaped(remark))</p>" }
            html += "<figure>\(figure.pictures)</figure>"
        }
        for view in views {
            html +=
                "<details><summary>The newest rows of \(escaped(view))</summary>"
                + HTML.table(try tenant.rowsForPeople(ofView: view), caption: view, empty: "No rows yet.")
                + "</details>"
        }
        return try page("Analytics", tenant: name, section: "analytics", isLive: true, html + "</div>")
    }

    /// The report's page has its styles within, and no script that it needs.
    func reportPage(_ tenant: any TenantPages) throws -> HTTPServerResponse {
        var response = HTTPServerResponse(type: Self.html, try tenant.report().html)
        response.headers.append(
            (
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-downloads"
            ))
        response.headers.append(("Cache-Control", "no-store"))
        return response
    }
}
