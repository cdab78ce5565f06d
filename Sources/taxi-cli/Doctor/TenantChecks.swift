import Basics
import CommandLine
import Database
import Glibc
import Kafka
import Problems
import SQLite
import SchemaRegistry
import Stream
import Topics
import Time

/// What the tenant has: settings, zone, databases, and the broker it talks to.
struct TenantChecks {
    private let arguments: ParsedArguments
    /// As flags, environment and defaults give them.
    private let first: GlobalOptions

    init(_ arguments: ParsedArguments, _ globals: GlobalOptions) { (self.arguments, first) = (arguments, globals) }

    func findings() -> [Finding] {
        // The command reads no taxi.yaml by itself, so that a broken one becomes a line and not the end.
        var findings: [Finding] = []
        var settled = arguments
        guard first.tenantHome.exists else {
            if first.tenant == GlobalOptions.defaultTenant {
                findings.append(Finding("tenant", .ok, "\(first.tenant) (will be made at its first use)"))
            } else {
                findings.append(Finding("tenant", first.tenantHome.missing))
            }
            return findings + brokers(first)
        }
        findings += folder()
        do throws(Problem) {
            let configuration = try arguments.program.loadConfiguration(path: first.configurationPath)
            settled = try arguments.applying(configuration)
            findings.append(
                Finding(
                    "settings", .ok,
                    configuration.map { "\($0.path), \($0.entries.count) set" } ?? "no taxi.yaml: defaults"))
        } catch {
            findings.append(Finding("settings", error))
        }
        let globals = (try? GlobalOptions(settled)) ?? first
        findings.append(zone(globals))
        findings += [
            globals.resultsPath, globals.topicsPath, globals.tenantHome.schemasDB, globals.tenantHome.metricsDB,
        ].compactMap { path in
            path == globals.topicsPath && globals.broker != .embedded ? nil : database(path, globals)
        }
        findings += [copies(globals)].compactMap { $0 }
        return findings + brokers(globals)
    }

    /// The tenant's folder, and files in it that others may read: what it keeps is nobody else's business.
    private func folder() -> [Finding] {
        let path = first.tenantFolder
        do throws(Problem) { try Files.requireOurs(path, "the tenant's folder") } catch {
            return [Finding("tenant", error)]
        }
        func mode(_ path: String) -> mode_t? {
            var status = stat()
            return stat(path, &status) == 0 ? status.st_mode : nil
        }
        guard let own = mode(path), own & 0o077 != 0 else { return [Finding("tenant", .ok, path)] }
        var findings = [
            Finding(
                "tenant", .warn, "\(path) is open to others (mode \(String(own & 0o777, radix: 8)))",
                advice: "Run: chmod 700 \(shellWord(path))")
        ]
        let open = (Files.names(in: path) ?? []).sorted().filter { name in
            guard let mode = mode("\(path)/\(name)"), mode & S_IFMT == S_IFREG else { return false }
            return mode & 0o077 != 0 && !name.hasSuffix(".yaml")
        }
        if !open.isEmpty {
            findings.append(
                Finding(
                    "files", .warn, "others may read \(open.joined(separator: ", "))",
                    advice: "Run: chmod 600 \(open.map { shellWord("\(path)/\($0)") }.joined(separator: " "))"))
        }
        return findings
    }

    private func zone(_ globals: GlobalOptions) -> Finding {
        do throws(Problem) {
            _ = try ZoneClock(identifier: globals.zoneIdentifier)
            return Finding("zone", .ok, globals.zoneIdentifier)
        } catch {
            return Finding("zone", error)
        }
    }

    private func database(_ path: String, _ globals: GlobalOptions) -> Finding? {
        let name = String(path.split(separator: "/").last ?? "")
        guard access(path, F_OK) == 0 else { return Finding(name, .ok, "not there yet") }
        guard !arguments.isOn("skip-databases") else { return nil }
        do {
            return try explaining("reading it through") { try sound(path, name, globals) }
        } catch {
            return Finding(name, error as? Problem ?? Problem(.software, "\(error)"))
        }
    }

    /// - Throws: what keeps the database from being read, or does not belong into it.
    private func sound(_ path: String, _ name: String, _ globals: GlobalOptions) throws -> Finding {
        let connection = try Connection(path: path, access: .readOnly)
        let answers = try connection.rows("PRAGMA quick_check(3)") { row throws(SQLiteError) in
            row.value(0).text ?? ""
        }
        guard answers == ["ok"] else {
            return Finding(
                name, .fail(.badData), answers.joined(separator: "; "),
                advice: path == globals.tenantHome.metricsDB
                    ? "Move it away: the history of metrics begins anew, and nothing else hangs on it."
                    : "Keep a copy of the file, then rebuild: move it away and run stream from the beginning.")
        }
        var status = stat()
        let size = byteText(stat(path, &status) == 0 ? Int64(status.st_size) : 0)
        if path == globals.tenantHome.metricsDB { return Finding(name, .ok, "sound, \(size)") }
        if path == globals.tenantHome.schemasDB {
            let versions = try LocalRegistry(path: path).requireSound()
            return Finding(name, .ok, "sound, \(size), \(grouped(Int64(versions))) versions of schemas")
        }
        guard path == globals.topicsPath else {
            let isOlder = try ResultsDatabase.isOlder(connection)
            try HistoryReach.inspect(connection)
            let reach = try HistoryReach(on: connection)
            let history = reach.map { ", history of \(grouped($0.epochs)) epochs in \(byteText($0.bytes))" } ?? ""
            return Finding(
                name, .ok,
                "sound, \(size)\(history)" + (isOlder ? ", of an earlier version: the next run updates it" : ""))
        }
        let inspection = try StoreInspection(EmbeddedTopicStore(path: path, access: .granted(to: path)))
        guard var problem = inspection.damages.first else {
            return Finding(name, .ok, "sound, \(size), \(grouped(inspection.records)) records")
        }
        problem.others = Array(inspection.damages.dropFirst())
        return Finding(name, problem)
    }

    /// Whether results and topics are of one time; nil where nobody can say, or another line says why.
    private func copies(_ globals: GlobalOptions) -> Finding? {
        guard globals.broker == .embedded, !arguments.isOn("skip-databases"), Files.exists(globals.topicsPath),
            let database = try? ResultsDatabase.openReadOnly(path: globals.resultsPath),
            let runs = try? RunLog(database).newestOfEachCommand(),
            // Between two looks a stream that runs has sent more.
            !runs.contains(where: { $0.command == "stream" && $0.outcome == .running })
        else { return nil }
        do {
            try explaining("comparing results and topics") {
                try CopyCheck.requireAll(
                    results: database.connection,
                    topics: EmbeddedTopicStore(
                        path: globals.topicsPath, access: .granted(to: globals.topicsPath)))
            }
            return Finding("copies", .ok, "results and topics belong together")
        } catch {
            guard let problem = error as? Problem, problem.code == .badData else { return nil }
            return Finding("copies", problem)
        }
    }

    private func brokers(_ globals: GlobalOptions) -> [Finding] {
        switch globals.broker {
        case .embedded: return [Finding("broker", .ok, "embedded")]
        case .kafka(let servers):
            let timeoutMs = arguments.durationMs("timeout") ?? 0
            return servers.map { server in
                do throws(Problem) {
                    let client = try KafkaAdmin(globals.kafkaConfiguration([server])).client
                    try client.connect(timeoutMs: timeoutMs)
                    return Finding("broker", .ok, "\(server) answers, cluster \(client.clusterID)")
                } catch {
                    return Finding("broker", .fail(error.code), error.message, advice: error.hint)
                }
            }
        }
    }
}
