import CommandLine
import Postgres
import Problems
import Serve
import Stream

/// What the program says of the words of a serve.yaml, as the processes that they start will.
///
/// With `--check` it looks at the files that are named too. `serve` itself does not: one that is missing may come, and until then stops its
/// service alone. Trips may come later in any case, and a file of them that is not there is no mistake.
final class ServiceCheck {
    private let arguments: ParsedArguments
    /// That paths in the file count from.
    private let folder: String
    /// What is no mistake, and worth knowing.
    private(set) var notes: [String] = []
    /// Which query of a tenant a stream before has.
    private var queries: Set<[String]> = []

    init(_ arguments: ParsedArguments, folder: String) { (self.arguments, self.folder) = (arguments, folder) }

    /// - Throws: what the command's parser and the command itself say of a service's words.
    func require(_ words: [String]) throws(Problem) {
        do {
            let line = try arguments.program.resolve(words, as: arguments)
            try requireService(line, words)
            if arguments.isOn("check") { try requireStart(line) }
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(.software, "\(error)")
        }
    }

    /// What the process of the pages will read when it starts, as it will.
    ///
    /// - Parameter key: `listen`, `token-file` or `tls-cert`.
    func requirePages(_ key: String, _ pages: PagesSpec) throws(Problem) {
        guard let listen = pages.listen else { return }
        func token() throws(Problem) -> String? {
            try WatchService.token(file: pages.tokenFile.map(inFolder), arguments)
        }
        switch key {
        case "token-file": _ = try token()
        case "tls-cert":
            _ = try WatchService.tls(
                certificate: pages.tlsCertificate.map(inFolder), key: pages.tlsKey.map(inFolder))
        default: _ = try WatchService.address(listen, token: token())
        }
    }

    private func inFolder(_ file: String) -> String { file.hasPrefix("/") ? file : "\(folder)/\(file)" }

    /// - Throws: `.usage` for a command line that is right and does something else than what a service is there for.
    private func requireService(_ line: ParsedArguments, _ words: [String]) throws(Problem) {
        let kind = words.prefix { !$0.hasPrefix("-") }
        if let word = words.first(where: { ["--help", "-h", "--version"].contains($0) }) {
            throw Problem(.usage, "with \"\(word)\" it says something, and serves nobody", hint: "Leave it out.")
        }
        guard Array(line.path.dropFirst()) == Array(kind) else {
            throw Problem(
                .usage,
                "\"\(line.path.dropFirst().joined(separator: " "))\" is another command than \"\(kind.joined(separator: " "))\"",
                hint: "A service has the options of \"\(kind.joined(separator: " "))\" alone.")
        }
        for flag in ["dry-run", "set-rate", "check"]
        where line.isDeclared(flag) && line.texts(flag).contains(where: { $0 != "false" }) {
            throw Problem(.usage, "with \"--\(flag)\" it ends at once", hint: "Leave it out.")
        }
        if kind == ["produce"] {
            guard !line.positionals.isEmpty else {
                throw Problem(.usage, "no trip file is given", hint: "Name one: args: [trips.csv].")
            }
            guard !line.positionals.contains("-") else {
                throw Problem(.usage, "a service has no stdin to read", hint: "Name a file.")
            }
        }
    }

    /// What a service refuses when it starts, as far as it can be seen before.
    private func requireStart(_ line: ParsedArguments) throws {
        let globals = try GlobalOptions(line)
        for option in ["broker-config", "registry-config", "password-file"] where line.isDeclared(option) {
            if let file = line.text(option) { try requireFile(file, option) }
        }
        switch line.path.dropFirst().joined(separator: " ") {
        case "produce":
            for file in line.positionals where !Files.exists(inFolder(file)) {
                notes.append(
                    "note: \"\(visible(file))\" is not there yet; a replay of tenant \"\(globals.tenant)\" fails until it is"
                )
            }
        case "stream":
            try StreamCommand.requireNoWord(line)
            let files = line.texts("queries").filter { $0 != AnalyticsQueries.name }
            for file in files { try requireFile(file, "queries") }
            let plans = try QueryCatalog.select(
                line.texts("query"),
                from: globals.declaredQueries(
                    line.texts("queries").map { name in
                        name == AnalyticsQueries.name ? name : inFolder(name)
                    }))
            for plan in plans where !queries.insert([globals.tenant, plan.name]).inserted {
                throw Problem(
                    .usage,
                    "query \"\(plan.name)\" runs in another stream of this tenant, and each would take it from the other",
                    hint: "Give each stream queries of its own: query: [\(plan.name)].")
            }
        case "publish":
            let url = try PostgresURL(line.positionals[0])
            _ = try PublishJob(globals, url, views: [])
        default: break
        }
    }

    private func requireFile(_ file: String, _ option: String) throws(Problem) {
        do throws(Problem) { try Files.requireReadable(inFolder(file)) } catch {
            throw Problem(
                error.code, "\"--\(option)\": \(error.message)",
                hint: error.hint ?? "Name a file that is there; paths count from the folder of serve.yaml.")
        }
    }
}
