import Foundation
import HTTPServer
import Reports
import Topics

extension WatchServer {
    func deadLettersBody(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages) throws -> String {
        let table = try tenant.deadLetters(limit: 200)
        var html = "<div data-part=\"letters\">"
        if let column = table.columns.firstIndex(of: "reason"), !table.rows.isEmpty {
            let reasons = Dictionary(grouping: table.rows.compactMap { $0[column] }, by: { $0 }).mapValues(\.count)
            html +=
                "<p>"
                + reasons.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                    "\(Shown.count(Int64($0.value))) \(escaped($0.key))"
                }.joined(separator: ", ") + "</p>"
        }
        let (detail, record) = (table.columns.firstIndex(of: "detail"), table.columns.firstIndex(of: "record"))
        html += HTML.table(
            table, caption: "Rejected records, the newest first", empty: "No record was rejected.",
            marked: {
                row, column in
                guard column == record, let text = detail.flatMap({ row[$0] }), let shown = row[column] else {
                    return nil
                }
                let place = table.columns.firstIndex(of: "column").flatMap { row[$0] }.flatMap { Int($0) }
                return StoredLetter.fault(text, column: place, in: Array(shown.utf8))
            })
        return html + "</div>"
            + (table.rows.isEmpty ? "" : try replayBody(name, tenant, isWanted: request.parameter("dry-run") != nil))
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
