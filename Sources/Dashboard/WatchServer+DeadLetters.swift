import HTTPServer
import Reports

extension WatchServer {
    func deadLettersBody(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages) throws -> String {
        let reason = Self.text("reason", of: request)
        let found = try tenant.deadLetters(reason: reason, limit: 200)
        let path = "/t/\(HTML.inPath(name))/dead-letters"
        var html = "<div data-part=\"letters\">"
        if !found.reasons.isEmpty {
            func link(_ text: String, _ query: String, isShown: Bool) -> String {
                "<li><a href=\"\(path)\(query)\"\(isShown ? " aria-current=\"true\"" : "")>\(escaped(text))</a></li>"
            }
            let all = found.reasons.reduce(0) { $0 + $1.count }
            html += "<nav aria-label=\"Reasons\"><ul>" + link("\(Shown.count(all)) all", "", isShown: reason == nil)
            for (name, count) in found.reasons {
                html += link("\(Shown.count(count)) \(name)", "?reason=\(HTML.inPath(name))", isShown: reason == name)
            }
            html += "</ul></nav>"
        }
        // The record stands before what is long: the bytes that matter are to be seen in a narrow window too.
        let table = PageTable(
            columns: ["offset", "reason", "record", "detail", "source", "partition"],
            rows: found.letters.map {
                ["\($0.offset)", $0.reason, $0.record.text, $0.detail, $0.source, "\($0.partition)"]
            })
        let topic = "/t/\(HTML.inPath(name))/topics/\(HTML.inPath("\(name)_deadLetter"))"
        html += HTML.table(
            table,
            caption: reason.map { "Records rejected with \($0), the newest first" }
                ?? "Rejected records, the newest first",
            empty: reason == nil ? "No record was rejected." : "No record was rejected with this reason.",
            wrapped: ["record", "detail", "source"],
            link: { row, column in column == 0 ? "\(topic)/\(row[5] ?? "")/\(row[0] ?? "")" : nil },
            markup: { row, column in
                column == 2 ? HTML.marked(found.letters[row].record.excerpt(letters: 60)) : nil
            })
        return html + "</div>"
            + (found.reasons.isEmpty ? "" : try replayBody(name, tenant, isWanted: request.parameter("dry-run") != nil))
    }

    /// What would become of them comes first, since nothing is asked any more then.
    private func replayBody(_ name: String, _ tenant: any TenantPages, isWanted: Bool) throws -> String {
        let path = "/t/\(HTML.inPath(name))/dead-letters"
        guard isWanted else { return "<p><a href=\"\(path)?dry-run=1\">What would be sent again?</a></p>" }
        let table = try tenant.deadLetterReplay()
        return HTML.table(table, caption: "What a replay would do now", empty: "No record was rejected.")
            + "<p>\(actionForm("Replay", "\(path)/replay"))</p>"
    }
}
