import Glibc
import Problems
import Stream

extension GlobalOptions {
    /// The default queries and the tenant's own, or those of `file` instead.
    func declaredQueries(file: String? = nil) throws(Problem) -> [QueryPlan] {
        try QueryCatalog.load(userFile: file ?? (access(queriesPath, F_OK) == 0 ? queriesPath : nil))
    }
}
