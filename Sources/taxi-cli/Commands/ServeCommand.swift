import CommandLine
import Problems
import Serve
import Time

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
        if !arguments.isOn("check") {
            if Files.exists(home) { try Files.requireOurs(home, "the home") }
            try Files.requireOurs(path, "the file")
        }
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
        } prepare: { (spec: inout ServeSpec) throws(Problem) in
            try tenants.prepare(&spec)
        } say: { line in
            try? arguments.say(line)
        }
        try arguments.say("serving \"\(home)\" as \(path) says; Ctrl-C stops it")
        try supervisor.run()
        try arguments.say("all services have ended")
        return .success
    }

    private static func load(
        _ path: String, _ home: String, _ arguments: ParsedArguments
    ) throws(Problem) -> ServeSpec {
        guard Files.exists(path) else {
            throw Problem(
                .noInput, "there is no file \"\(path)\"",
                hint: "It says which services run; examples/serve.yaml is one to begin with.")
        }
        let path = try Files.absolute(path)
        let listen = arguments.text("listen")
        let services = ServiceCheck(arguments, folder: ServeSpec(file: path).folder)
        var spec = try ServeSpec.load(
            path: path, home: home,
            checks: ServeSpec.Checks(isStrict: arguments.isOn("check")) { (words) throws(Problem) in
                try services.require(words)
            } zone: { (name) throws(Problem) in
                _ = try ZoneClock(identifier: name)
            } pages: { (key, pages) throws(Problem) in
                // Another address is looked at when it is known to be right.
                if listen == nil { try services.requirePages(key, pages) }
            })
        for note in services.notes { try? arguments.say(note) }
        guard let listen else { return spec }
        spec.pages.listen = listen == "none" ? nil : listen
        for key in ["token-file", "tls-cert", "listen"] { try services.requirePages(key, spec.pages) }
        return spec
    }
}
