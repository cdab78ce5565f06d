import CommandLine
import Problems
import Serve

/// `serve`: runs the services of many tenants.
enum ServeCommand {
    static let command = Command(
        name: "serve", summary: "run the replays, streams, schedules and pages of many tenants, each within its share",
        discussion: """
            Reads <home>/serve.yaml: which services each tenant has, with which options, share and limits. Each service is a process of its own, \
            started again when it ends by itself, with its log in <home>/.serve/logs; what one tenant does, or what happens to it, slows and \
            stops only itself. SIGHUP reads the file again: what is as it was goes on without a pause. After SIGTERM or Ctrl-C services end in \
            the reverse order. "taxi-cli status" and "taxi-cli tenant list" show what runs. A second serve of a home ends with exit code 75.
            """,
        examples: [
            Example("taxi-cli serve --check", "is serve.yaml right?"),
            Example("taxi-cli serve", "in the foreground, as a service runs it"),
            Example("taxi-cli serve --listen 127.0.0.1:9000", "with the pages at another address than the file says"),
        ],
        options: [
            Option(
                "file", value: .value("FILE"), kind: .file, help: "another file than <home>/serve.yaml",
                endings: FileEndings.declarations),
            Option("check", help: "say what is wrong with the file, and run nothing"),
            Option(
                "listen", value: .value("HOST:PORT"), kind: .custom(checkListen),
                help: "where the pages are, instead of what the file says; none for no pages"),
        ],
        group: "Setting up", readsConfiguration: false, run: run)

    private static func checkListen(_ text: String) throws(Problem) {
        if text != "none" { try WatchService.checkAddress(text) }
    }

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let home = globals.home
        let path = arguments.text("file") ?? "\(home)/serve.yaml"
        if !arguments.isOn("check") { try Files.requireOurs(path, "the file") }
        let spec = try load(path, home, arguments)
        if arguments.isOn("check") {
            try ServedTenants(globals, arguments).check(spec)
            let services = spec.services.count
            let tenants = spec.tenants.count
            try arguments.say(
                "\(path) is right: \(tenants) tenant\(tenants == 1 ? "" : "s"), \(services) service\(services == 1 ? "" : "s")"
            )
            return .success
        }
        let lock = try HomeLock(home: home)
        defer { withExtendedLifetime(lock) {} }
        let tenants = ServedTenants(globals, arguments)
        let supervisor = Supervisor(spec, home: home, environment: arguments.environment) { () throws(Problem) in
            try Files.requireOurs(path, "the file")
            return try load(path, home, arguments)
        } prepare: { (spec) throws(Problem) in
            try tenants.prepare(spec)
        } say: { line in
            try? arguments.say(line)
        }
        try arguments.say("serving \"\(home)\" as \(path) says; Ctrl-C stops it")
        try supervisor.run()
        try arguments.say("all services have ended")
        return .success
    }

    /// - Throws: `.usage` for a command line that is right and does something else than what a service is there for.
    private static func requireService(_ line: ParsedArguments, _ words: [String]) throws(Problem) {
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

    /// What the process of the pages will read when it starts, as it will.
    private static func requirePages(
        at listen: String, _ spec: ServeSpec, _ arguments: ParsedArguments
    ) throws(Problem) {
        func inFolder(_ file: String) -> String { file.hasPrefix("/") ? file : "\(spec.folder)/\(file)" }
        let token = try WatchService.token(file: spec.pages.tokenFile.map(inFolder), arguments)
        _ = try WatchService.address(listen, token: token)
        _ = try WatchService.tls(
            certificate: spec.pages.tlsCertificate.map(inFolder), key: spec.pages.tlsKey.map(inFolder))
    }

    private static func load(
        _ path: String, _ home: String, _ arguments: ParsedArguments
    ) throws(Problem) -> ServeSpec {
        guard Files.exists(path) else {
            throw Problem(
                .noInput, "there is no file \"\(path)\"",
                hint: "It says which services run; examples/serve.yaml is one to begin with.")
        }
        var spec = try ServeSpec.load(path: path, home: home) { (words) throws(Problem) in
            do {
                try requireService(arguments.program.resolve(words, as: arguments), words)
            } catch let problem as Problem {
                throw problem
            } catch {
                throw Problem(.software, "\(error)")
            }
        }
        if let listen = arguments.text("listen") { spec.pages.listen = listen == "none" ? nil : listen }
        if let listen = spec.pages.listen {
            do throws(Problem) { try WatchService.checkAddress(listen) } catch {
                throw Problem(.configuration, "\(path): \"listen\": \(error.message)", hint: error.hint)
            }
            do throws(Problem) { try requirePages(at: listen, spec, arguments) } catch {
                throw Problem(
                    error.code == .usage ? .configuration : error.code, "\(path): \(error.message)", hint: error.hint)
            }
        }
        return spec
    }
}
