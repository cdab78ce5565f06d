import HTTPServer
import Problems
import Reports

// The page of models.
extension WatchServer {
    func modelsBody(_ tenant: any TenantPages) throws -> String {
        let errors = try tenant.modelErrors()
        var html = "<div data-part=\"models\">"
        do {
            html += HTML.table(
                Self.dated(try tenant.models(), ["last", "next"]), caption: "The tenant's models",
                empty: "No models are declared: put an ml.yaml into the tenant's folder.")
        } catch let problem as Problem {
            // What was sent before somebody made a mistake in the file is there all the same.
            html += "<p role=\"alert\" class=\"bad\">\(escaped("\(problem)"))</p>"
        }
        html += "</div><div data-part=\"batches\"><h2>Batches</h2>"
        html += HTML.table(
            Self.dated(try tenant.modelBatches(limit: 20), ["sent", "ended"]), caption: "The newest first",
            empty: "No batch was sent yet.")
        html += "</div><div data-part=\"errors\">"
        if !errors.rows.isEmpty {
            html += "<h2>Forecast against actual</h2>\(Self.worse(errors))"
            html += HTML.table(
                Self.named(errors),
                caption: "Mean errors of the model and of the simple one, where most happened first", empty: "")
        }
        return html + "</div>"
    }

    /// A sentence on each model that a simple one is nearer than.
    private static func worse(_ errors: PageTable) -> String {
        let place = Dictionary(errors.columns.enumerated().map { ($1, $0) }) { first, _ in first }
        func cell(_ row: [String?], _ name: String) -> String { (place[name].flatMap { row[$0] }) ?? "–" }
        return errors.rows.filter { cell($0, "dimension") == "all" && cell($0, "worse") == "1" }.map { row in
            "<p class=\"bad\">"
                + escaped(
                    "\(cell(row, "model")) is worse than \(cell(row, "baseline")): it is off by \(cell(row, "mae")) on the mean, the simple one by \(cell(row, "baseline_mae"))."
                )
                + "</p>"
        }.joined()
    }

    /// With areas by their names, and words for what is worse.
    private static func named(_ errors: PageTable) -> PageTable {
        var errors = errors
        let dimension = errors.columns.firstIndex(of: "dimension")
        for (column, name) in errors.columns.enumerated() {
            for row in errors.rows.indices {
                let value = errors.rows[row][column]
                if name == "worse" { errors.rows[row][column] = value == "1" ? "worse" : "" }
                if name == "value", let value,
                    dimension.map({ errors.rows[row][$0]?.contains("area") == true }) ?? false
                {
                    errors.rows[row][column] = MapFrame.name(ofArea: value)
                }
            }
        }
        return errors
    }

    /// With times as people read them.
    private static func dated(_ table: PageTable, _ columns: Set<String>) -> PageTable {
        var table = table
        for (index, name) in table.columns.enumerated() where columns.contains(name) {
            for row in table.rows.indices { table.rows[row][index] = table.rows[row][index].map { Shown.time($0) } }
        }
        return table
    }
}
