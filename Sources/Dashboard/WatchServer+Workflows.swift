import HTTPServer
import Problems
import Reports
import Time

// The pages of workflows, and what can be done on them.
extension WatchServer {
    func workflowsBody(_ name: String, _ tenant: any TenantPages) throws -> String {
        var workflows = try tenant.workflows()
        let problem = workflows.columns.firstIndex(of: "problem")
        let wrong = Set(
            workflows.rows.filter { row in problem.map { row[$0] != nil } ?? false }.map { $0.first ?? nil })
        if let problem, wrong.isEmpty { workflows.remove(column: problem) }
        var html = "<div data-part=\"workflows\">"
        html += HTML.table(
            workflows, caption: "The tenant's workflows",
            empty: "There are no workflows yet: put a NAME.yaml into the tenant's workflows folder.",
            wrapped: ["problem"]
        ) { row, column in column == 0 ? row[0].map { self.workflowPath(name, $0) } : nil }
        if let column = workflows.columns.firstIndex(of: "workflow") {
            html += "<p>"
            for workflow in workflows.rows.compactMap({ $0[column] }) where !wrong.contains(workflow) {
                html += actionForm("Run \(workflow)", "\(workflowPath(name, workflow))/run")
            }
            html += "</p>"
        }
        return html + "</div><div data-part=\"runs\"><h2>Runs</h2>\(try runsTable(name, tenant, of: nil))</div>"
    }

    /// One workflow: its steps and what each needs, what can be done with it, and its runs.
    func workflowBody(_ name: String, _ tenant: any TenantPages, _ workflow: String) throws -> String {
        let path = workflowPath(name, workflow)
        let runs = "<div data-part=\"runs\"><h2>Runs</h2>\(try runsTable(name, tenant, of: workflow))</div>"
        let graph: String
        do { graph = try tenant.graph(ofWorkflow: workflow) } catch let problem as Problem {
            return "<pre role=\"alert\" class=\"bad\" tabindex=\"0\">\(escaped("\(problem)"))</pre>\(runs)"
        }
        var html =
            "<figure class=\"steps\" tabindex=\"0\" role=\"region\" aria-label=\"Steps and what each needs\">\(graph)</figure>"
        html += "<p>\(actionForm("Run", "\(path)/run"))</p>"
        html += actionForm(
            "Backfill", "\(path)/backfill",
            fields: """
                <label>Intervals that are missing in a year, quarter, month or day <input name="interval" required size="12" \
                placeholder="2024-Q1" pattern="[0-9][-0-9QTW:+Z]{3,}"></label>

                """)
        return html + runs
    }

    private func runsTable(_ name: String, _ tenant: any TenantPages, of workflow: String?) throws -> String {
        let runs = try tenant.workflowRuns(of: workflow, limit: 50)
        let id = runs.columns.firstIndex(of: "run_id") ?? 0
        return HTML.table(runs, caption: "The newest first", empty: "No workflow has run yet.") { row, column in
            column == id ? row[id].map { self.workflowPath(name, $0) } : nil
        }
    }

    func runBody(_ name: String, _ tenant: any TenantPages, _ id: String, state: String) throws -> String {
        let steps = try tenant.steps(ofRun: id)
        let path = workflowPath(name, id)
        var html =
            "<div data-part=\"state\"><p>State: <strong data-state=\"\(escaped(state))\">\(escaped(state))</strong></p><p>"
        if ["failed", "cancelled", "interrupted"].contains(state) { html += actionForm("Retry", "\(path)/retry") }
        if ["running", "queued", "interrupted"].contains(state) { html += actionForm("Cancel", "\(path)/cancel") }
        html +=
            "</p></div><div data-part=\"steps\">" + Self.gantt(steps)
            + HTML.table(steps, caption: "Steps in the order in which they began", empty: "No step has begun yet.")
        html +=
            "</div><div data-part=\"log\"><h2>Log</h2><pre tabindex=\"0\">\(escaped(try tenant.log(ofRun: id)))</pre></div>"
        return html
    }

    private func workflowPath(_ name: String, _ part: String) -> String {
        "/t/\(HTML.inPath(name))/workflows/\(HTML.inPath(part))"
    }

    /// A button that does something, as a form that works without scripts too; nothing where the server only shows.
    func actionForm(_ label: String, _ path: String, fields: String = "") -> String {
        if options.isReadOnly { return "" }
        return """
            <form class="inline" method="post" action="\(path)">\(fields)<input type="hidden" name="session" value="\(sessionToken)">\
            <button data-action="\(path)">\(escaped(label))</button></form>

            """
    }

    /// A bar a step, from its start to its end.
    private static func gantt(_ steps: PageTable) -> String {
        guard let start = steps.columns.firstIndex(of: "started"), let end = steps.columns.firstIndex(of: "ended"),
            let step = steps.columns.firstIndex(of: "step"), let state = steps.columns.firstIndex(of: "state")
        else { return "" }
        let bars = steps.rows.compactMap { row -> (name: String, state: String, from: EventTime, to: EventTime?)? in
            guard let from = row[start].flatMap(RFC3339.parse) else { return nil }
            return (row[step] ?? "", row[state] ?? "", from, row[end].flatMap(RFC3339.parse))
        }
        guard let first = bars.map(\.from).min() else { return "" }
        let last = max(bars.map { $0.to ?? $0.from + 1000 }.max() ?? first, first + 1)
        let scale = 1000 / Double(last - first)
        var html =
            "<div class=\"gantt\" role=\"img\" aria-label=\"When each step ran; the table below has the times\">"
        for bar in bars {
            // The names are text beside the pictures, so that a narrow window makes none of them smaller.
            let width = max(4, Double((bar.to ?? last) - bar.from) * scale)
            let x = min(Double(bar.from - first) * scale, 1000 - width)
            html +=
                "<div><span>\(escaped(bar.name))</span><svg viewBox=\"0 0 1000 14\" preserveAspectRatio=\"none\"><rect class=\"\(escaped(bar.state))\" x=\"\(x)\" y=\"0\" width=\"\(width)\" height=\"14\"/></svg></div>"
        }
        return html + "</div>"
    }

    func action(_ request: HTTPServerRequest, _ name: String, _ parts: [String]) throws -> HTTPServerResponse {
        if parts == ["dead-letters", "replay"] {
            return done(try home.tenant(name).act(.replayDeadLetters), request)
        }
        guard parts.count == 3, parts[0] == "workflows" else {
            throw Refusal(404, "there is no action \"\(request.path)\"")
        }
        let action: PageAction
        switch parts[2] {
        case "run": action = .run(workflow: parts[1])
        case "backfill": action = .backfill(workflow: parts[1], interval: Self.form(request)["interval"] ?? "")
        case "retry": action = .retry(run: parts[1])
        case "cancel": action = .cancel(run: parts[1])
        default: throw Refusal(404, "there is no action \"\(parts[2])\"")
        }
        return done(try home.tenant(name).act(action), request)
    }
}
