import CommandLine
import Glibc
import Problems
import Stream

extension GlobalOptions {
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
            userFile: files.first ?? (access(queriesPath, F_OK) == 0 ? queriesPath : nil),
            analytics: given.contains(AnalyticsQueries.name))
    }
}
