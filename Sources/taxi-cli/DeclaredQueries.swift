import Batch
import CommandLine
import Glibc
import Problems
import Stream

extension GlobalOptions {
    /// The tenant's own analyses; need not exist.
    var analysesPath: String { "\(tenantFolder)/analyses" }

    /// The default queries and the tenant's own, or as `--queries` says.
    ///
    /// - Parameter given: each a file, instead of the tenant's own, or `analytics`, which adds those that come with taxi-cli.
    ///   A file of that name is written as ./analytics.
    /// - Throws: `Problem(.usage)` for more than one file, and as `QueryCatalog.load`.
    func declaredQueries(_ given: [String] = []) throws(Problem) -> [QueryPlan] {
        let files = given.filter { $0 != AnalyticsQueries.name }
        guard files.count <= 1 else {
            throw Problem(
                .usage, "--queries names two files, \"\(files[0])\" and \"\(files[1])\"",
                hint: "Put all declarations into one file.")
        }
        return try QueryCatalog.load(
            userFile: files.first ?? (Files.exists(queriesPath) ? queriesPath : nil),
            analytics: given.contains(AnalyticsQueries.name), analyses: AnalysisCatalog.names(folder: analysesPath))
    }

    /// The queries there may be, by view, and those that come with taxi-cli where the tenant's own have mistakes: of these, `stream`
    /// tells.
    func knownQueries() throws(Problem) -> [String: String] {
        let plans: [QueryPlan]
        do throws(Problem) {
            plans = try QueryCatalog.load(
                userFile: Files.exists(queriesPath) ? queriesPath : nil, analytics: true)
        } catch {
            plans = try QueryCatalog.load(analytics: true)
        }
        return Dictionary(plans.map { ($0.table, $0.name) }) { first, _ in first }
    }
}
