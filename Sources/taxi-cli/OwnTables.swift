import Batch
import Database
import Reports
import Stream

/// What a tenant has declared besides what comes with taxi-cli, for the charts of a report.
enum OwnTables {
    /// Analyses in the order of their files, then queries in that of queries.yaml. A file with mistakes keeps nobody from a report: `batch`
    /// and `stream` tell of them.
    static func declared(by globals: GlobalOptions) -> [OwnTable] {
        let analyses = ((try? AnalysisCatalog.load(folder: globals.analysesPath)) ?? []).filter { !$0.isShipped }
        let shipped = Set(((try? QueryCatalog.load(analytics: true)) ?? []).map(\.table))
        let queries = ((try? QueryCatalog.load(userFile: globals.queriesPath, analytics: true)) ?? [])
            .filter { !shipped.contains($0.table) }
        return analyses.map { OwnTable(.analysis, name: $0.name, view: $0.name, about: $0.about, keys: $0.keys) }
            + queries.map { OwnTable(.query, name: $0.name, view: $0.table, keys: $0.groups.map(\.columnName)) }
    }
}
