/// How Spark is started, and what its tasks run.
package struct SparkOptions: Sendable {
    package var master = "local[*]"
    /// `key=value` each.
    package var configuration: [(name: String, value: String)] = []
    /// A folder of Spark; nil for SPARK_HOME, or what Python's own pyspark is.
    package var home: String?
    package var parallel: Int?
    /// What `taxi-cli spark archive` has made; nil where the executors see this very program.
    package var archive: String?
    /// The program that tasks run where there is no archive.
    package var program: String
    /// Its options behind "worker": where the topic is. A file whose name begins with `ship:` is one of `files`, on the executor.
    package var words: [String]
    /// Files that go to the executors, such as the broker's properties.
    package var files: [String] = []
    package var tenant: String
    package var build: String
    package var environment: [String: String]

    package init(program: String, words: [String], tenant: String, build: String, environment: [String: String]) {
        (self.program, self.words, self.tenant, self.build) = (program, words, tenant, build)
        self.environment = environment
    }

    /// Whether the executors are threads of Spark's own process here.
    package static func isLocal(master: String) -> Bool { master == "local" || master.hasPrefix("local[") }

    /// Spark alone on this machine tries each task once, unless it is told otherwise.
    var retryingMaster: String {
        guard master.hasPrefix("local["), master.hasSuffix("]"), !master.contains(",") else { return master }
        return master.dropLast() + ",4]"
    }
}
