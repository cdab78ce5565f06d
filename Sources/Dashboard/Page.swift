import Basics
import Foundation
import Reports

/// Pieces of HTML. Every text goes through `escaped`.
enum HTML {
    /// A text as part of a path or query.
    static func inPath(_ text: String) -> String {
        percentEncoded(text.utf8)
    }

    /// - Parameters:
    ///   - wrapped: columns whose texts may take several lines.
    ///   - markup: a cell of one's own making, by the numbers of row and column; nil for the text.
    ///   - link: where a cell leads.
    static func table(
        _ table: PageTable, caption: String, empty: String, wrapped: Set<String> = [],
        link: ((_ row: [String?], _ column: Int) -> String?)? = nil,
        markup: ((_ row: Int, _ column: Int) -> String?)? = nil
    ) -> String {
        guard !table.rows.isEmpty else { return "<p class=\"empty\">\(escaped(empty))</p>" }
        let numeric = table.columns.indices.map { column in
            table.rows.allSatisfy { row in row[column].map { Double($0.replacing(",", with: "")) != nil } ?? true }
        }
        var html =
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(escaped(caption))\"><table><caption>\(escaped(caption))</caption><thead><tr>"
        for (column, name) in table.columns.enumerated() {
            html +=
                "<th scope=\"col\"\(numeric[column] ? " class=\"n\"" : "")>\(escaped(name.replacing("_", with: " ")))</th>"
        }
        html += "</tr></thead><tbody>"
        for (index, row) in table.rows.enumerated() {
            html += "<tr>"
            for (column, value) in row.enumerated() {
                let text = markup?(index, column) ?? escaped(value ?? "–")
                let shown = link?(row, column).map { "<a href=\"\($0)\">\(text)</a>" } ?? text
                let name = table.columns[column]
                let state = ["state", "last_state"].contains(name) ? " data-state=\"\(text)\"" : ""
                let style = numeric[column] ? " class=\"n\"" : wrapped.contains(name) ? " class=\"wrap\"" : ""
                html += "<td\(style)\(state)>\(shown)</td>"
            }
            html += "</tr>"
        }
        return html + "</tbody></table></div>"
    }

    static func marked(_ text: MarkedText) -> String {
        escaped(text.before) + (text.marked.isEmpty ? "" : "<mark>\(escaped(text.marked))</mark>")
            + escaped(text.after)
    }

    /// A line of numbers as a picture; the numbers themselves are in a table beside it, or in `label`.
    ///
    /// - Parameters:
    ///   - top: the greatest value, as it is read.
    ///   - from, to: what the first and the last value are of.
    static func curve(_ values: [Double], label: String, top: String, from: String, to: String) -> String {
        let (width, height) = (600, 120)
        guard values.count > 1, let greatest = values.max() else { return "" }
        let scale = greatest > 0 ? Double(height - 6) / greatest : 0
        let step = Double(width) / Double(values.count - 1)
        func point(_ index: Int) -> String {
            let x = (Double(index) * step * 10).rounded() / 10
            let y = ((Double(height) - 3 - max(0, values[index]) * scale) * 10).rounded() / 10
            return "\(x),\(y)"
        }
        let line = values.indices.map(point).joined(separator: " ")
        return """
            <figure><div class="top">\(escaped(top))</div><svg class="curve" viewBox="0 0 \(width) \(height)" preserveAspectRatio="none" \
            role="img" aria-label="\(escaped(label))"><polygon class="area" points="0,\(height) \(line) \(width),\(height)"/>\
            <polyline points="\(line)"/></svg><figcaption><span>\(escaped(from))</span><span>\(escaped(to))</span></figcaption></figure>
            """
    }
}

/// Numbers as people read them.
enum Shown {
    static func count(_ value: Int64) -> String { grouped(value) }

    static func number(_ value: Double?, _ decimals: Int = 0) -> String {
        guard let value else { return "–" }
        guard value.isFinite else { return "never" }
        return grouped(fixed(value, decimals: decimals))
    }

    static func money(_ value: Double?) -> String { value == nil ? "–" : "$\(number(value, 2))" }

    /// `350 ms`, `4.2 s`, `12 min`, `3 h 05 min`, `never`.
    static func duration(seconds: Double?) -> String {
        guard let seconds else { return "–" }
        guard seconds.isFinite else { return "never" }
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 10 { return "\(number(seconds, 1)) s" }
        if seconds < 120 { return "\(number(seconds)) s" }
        if seconds < 7200 { return "\(number(seconds / 60)) min" }
        let minutes = Int(seconds / 60)
        if minutes < 2880 { return "\(minutes / 60) h \(minutes % 60 < 10 ? "0" : "")\(minutes % 60) min" }
        return "\(number(seconds / 86400)) days"
    }

    static func bytes(_ value: Double?) -> String {
        guard let value else { return "–" }
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (amount, unit) = (value, 0)
        while amount >= 1024, unit < units.count - 1 { (amount, unit) = (amount / 1024, unit + 1) }
        return "\(number(amount, unit == 0 || amount >= 100 ? 0 : 1)) \(units[unit])"
    }

    /// `2024-01-22T19:45:00.000-06:00` as `2024-01-22 19:45:00`.
    static func time(_ iso: String?) -> String { iso.map { "\($0.prefix(10)) \($0.dropFirst(11).prefix(8))" } ?? "–" }
}

/// A page: the frame that all have, and what is in it.
struct Page {
    static let sections = [
        ("", "Now"), ("windows", "Windows"), ("map", "Map"), ("analytics", "Analytics"), ("workflows", "Workflows"),
        ("models", "Models"), ("topics", "Topics"), ("dead-letters", "Dead letters"), ("schemas", "Schemas"),
        ("settings", "Settings"),
    ]

    var title: String
    /// nil for pages of the whole home.
    var tenant: String?
    var tenants: [String]
    /// The section that is shown, as in its path.
    var section: String
    var body: String
    /// Whether parts of the page are fetched again when something happens.
    var isLive: Bool
    var sessionToken: String

    func html() -> String {
        let base = tenant.map { "/t/\(HTML.inPath($0))/" }
        var navigation = ""
        if let base {
            for (path, name) in Self.sections {
                let here = path == section ? " aria-current=\"page\"" : ""
                navigation += "<li><a href=\"\(base)\(path)\"\(here)>\(name)</a></li>"
            }
        }
        let others = tenants.filter { $0 != tenant }.map {
            "<li><a href=\"/t/\(HTML.inPath($0))/\">\(escaped($0))</a></li>"
        }
        let live = isLive && base != nil ? " data-events=\"\(base!)events\"" : ""
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><meta name="taxi-session" content="\(sessionToken)">
            <title>\(escaped(title)) · taxi-cli</title><link rel="stylesheet" href="/assets/app.css"><link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
            <script src="/assets/app.js" defer></script></head>
            <body\(live)><a class="skip" href="#main">Skip to the content</a>
            <header><a class="home" href="/">taxi-cli</a>\(tenant.map { "<span class=\"tenant\">\(escaped($0))</span>" } ?? "")
            <nav aria-label="Sections"><ul>\(navigation)</ul></nav>
            \(others.isEmpty || tenant == nil ? "" : "<details class=\"tenants\"><summary>Tenants</summary><ul>\(others.joined())</ul></details>")
            </header><main id="main"><h1>\(escaped(title))</h1>
            \(body)
            </main><footer><p><span id="live" role="status">\(isLive ? "" : "")</span></p></footer></body></html>
            """
    }

    static func login(failed: Bool) -> String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark"><title>Log in · taxi-cli</title><link rel="stylesheet" href="/assets/app.css"></head>
        <body><main id="main" class="login"><h1>taxi-cli</h1>\(failed ? "<p role=\"alert\" class=\"bad\">This is not the token.</p>" : "")
        <form method="post" action="/login"><label>Token <input name="token" type="password" autocomplete="current-password" required autofocus></label>
        <button>Log in</button></form></main></body></html>
        """
    }
}
