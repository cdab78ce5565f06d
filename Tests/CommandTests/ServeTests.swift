import CommandSupport
import Foundation
import Glibc
import Testing

/// `serve`, used as a service and a person use it.
@Suite struct ServeTests {
    /// A home with a serve.yaml, and a file of trips beside it.
    private func taxi(_ yaml: String, rows: Int = 300) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try FileManager.default.createDirectory(
            atPath: taxi("data/taxi-cli"), withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try taxi.succeed("data", "generate", "--rows", "\(rows)", "--seed", "3", "data/taxi-cli/trips.csv")
        try write(yaml, taxi)
        return taxi
    }

    private func write(_ yaml: String, _ taxi: TaxiCLI) throws {
        try ("restart: {backoff: 50ms..500ms, attempts: 5}\nstop-timeout: 60s\n" + yaml).write(
            toFile: taxi("data/taxi-cli/serve.yaml"), atomically: true, encoding: .utf8)
    }

    private func services(_ taxi: TaxiCLI) throws -> [String: [String: Any]] {
        guard let text = try? String(contentsOfFile: taxi("data/taxi-cli/.serve/state.json"), encoding: .utf8),
            let list = try jsonObject(text)["services"] as? [[String: Any]]
        else { return [:] }
        return Dictionary(list.map { ("\($0["tenant"] ?? "")/\($0["service"] ?? "")", $0) }) { $1 }
    }

    private func shown(_ taxi: TaxiCLI) -> String { (try? services(taxi)).map { "\($0)" } ?? "no state" }

    private func state(_ taxi: TaxiCLI, _ id: String) throws -> String? { try services(taxi)[id]?["state"] as? String }
    private func pid(_ taxi: TaxiCLI, _ id: String) throws -> Int32? {
        (try services(taxi)[id]?["pid"] as? Int).map { Int32($0) }
    }

    private func requireStates(_ taxi: TaxiCLI, _ serve: RunningProgram, _ wanted: [String: String]) throws {
        let isThere = try eventually(within: 90) { try wanted.allSatisfy { try state(taxi, $0.key) == $0.value } }
        try #require(isThere, "\(shown(taxi)) \(serve.errors)")
    }

    private func trips(_ taxi: TaxiCLI, _ tenant: String) throws -> Int {
        let rows = try taxi.start(["show", "tripsTotal", "--tenant", tenant, "--format", "jsonl"]).wait()
        return try rows.lines.reduce(0) { $0 + (try jsonObject($1)["trips_total"] as? Int ?? 0) }
    }

    @Test("files of the pages that their process would refuse are told of by --check") func pagesThatCannotBe() throws {
        let taxi = try taxi("listen: 127.0.0.1:0\ntenants:\n  a:\n    services:\n      stream:\n", rows: 5)
        let file = taxi("data/taxi-cli/serve.yaml")
        let plain = try String(contentsOfFile: file, encoding: .utf8)
        for (name, text, mode) in [
            ("short", "abc", 0o600), ("open", "abcdefghijkl", 0o644), ("plain", "no certificate", 0o600),
        ] {
            try text.write(toFile: taxi("data/taxi-cli/\(name)"), atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes(
                [.posixPermissions: mode], ofItemAtPath: taxi("data/taxi-cli/\(name)"))
        }
        for (settings, code, part) in [
            ("token-file: nowhere", 66, "nowhere"), ("token-file: short", 78, "shorter than 8"),
            ("token-file: open", 77, "others may read the token"),
            ("tls-cert: plain\ntls-key: plain", 78, "holds no PEM"),
            ("tls-cert: nowhere\ntls-key: plain", 66, "nowhere"),
        ] {
            try "\(settings)\n\(plain)".write(toFile: file, atomically: true, encoding: .utf8)
            let ending = try taxi.run("serve", "--check")
            #expect(ending.code == code && ending.errors.contains(part), "\(settings): \(ending.code) \(ending.errors)")
        }
    }

    @Test(
        "what would end at once, or is another command, is told of by --check with its place",
        arguments: [
            "replay: ", "replay: {args: [\"-\"]}", "replay: {set-rate: 5/s}",
            "replay: {args: [trips.csv], dry-run: true}",
            "stream: [--help]", "stream: [--version]", "stream: [explain]", "stream: [queries, --check, q.yaml]",
            "replay: {args: [\"a\\0b\"]}", "stream: {args: [word]}",
            "stream: {queries: nowhere.yaml}", "stream: {query: nosuch}", "publish: {args: [\"mysql://h/d\"]}",
            "stream: {broker-config: nowhere.properties}", "stream: {kind: stream}\n      other: {kind: stream}",
        ])
    func noServices(_ service: String) throws {
        let taxi = try taxi("listen: none\ntenants:\n  a:\n    services:\n      \(service)\n", rows: 5)
        let ending = try taxi.run("serve", "--check")
        let code = service.contains("nowhere") ? 66 : 78
        #expect(ending.code == code, "\(ending.text) \(ending.errors)")
        #expect(
            ending.errors.contains(service.contains("other") ? "serve.yaml:8:" : "serve.yaml:7:"), "\(ending.errors)")
        #expect(ending.errors.contains("hint:"), "\(ending.errors)")
    }

    @Test func servicesStartInOrderComeBackAndEnd() throws {
        let taxi = try taxi(
            """
            listen: 127.0.0.1:0
            tenants:
              a:
                zone: America/New_York
                services:
                  stream: {delay: 1s}
                  replay: {args: trips.csv, max: , clock: start, after: [stream]}
              b:
                services: {stream: , workflow: }
            """)
        let serve = try taxi.start(["serve"])
        try requireStates(
            taxi, serve,
            ["/pages": "ready", "a/stream": "ready", "a/replay": "done", "b/stream": "ready", "b/workflow": "ready"])
        #expect(
            try String(contentsOfFile: taxi("data/taxi-cli/a/taxi.yaml"), encoding: .utf8).contains(
                "\nzone: America/New_York\n"))

        // Killed, it comes back, and goes on where it was.
        let first = try #require(try pid(taxi, "a/stream"))
        kill(first, SIGKILL)
        let isBack = try eventually(within: 60) {
            try state(taxi, "a/stream") == "ready" && pid(taxi, "a/stream") != first
        }
        #expect(isBack, "\(shown(taxi))")
        #expect(try services(taxi)["a/stream"]?["restarts"] as? Int == 1)

        // A second one of the same home says whose it is.
        let second = try taxi.run("serve")
        #expect(second.code == 75 && second.errors.contains("by process \(serve.pid)"), "\(second.errors)")

        serve.signal(SIGTERM)
        let ending = serve.wait()
        #expect(ending.code == 0 && ending.errors.contains("all services have ended"), "\(ending.errors)")
        #expect(try services(taxi).isEmpty)
        let log = try String(contentsOfFile: taxi("data/taxi-cli/.serve/logs/a-replay.log"), encoding: .utf8)
        #expect(log.contains("sent 300 of 300 trips"))
        try taxi.succeed("stream", "--until-end", "--tenant", "a")
        try taxi.succeed("audit", "--tenant", "a")
    }

    @Test func foldersThatOthersMayWriteAreRefused() throws {
        let taxi = try taxi("listen: none\ntenants:\n  a: {services: {workflow: }}\n")
        try taxi.succeed("tenant", "create", "a")
        func open(_ path: String) throws {
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
        }
        try open(taxi("data/taxi-cli/a"))
        let tenant = try taxi.run("serve", "--check")
        #expect(tenant.code == 77 && tenant.errors.contains("others may write the tenant's folder"), "\(tenant.errors)")
        try open(taxi("data/taxi-cli"))
        let home = try taxi.run("serve")
        #expect(home.code == 77 && home.errors.contains("others may write the home"), "\(home.errors)")
    }

    /// A tenant may write its own folder, and can keep nobody else from starting by it.
    @Test func aTenantsOwnMistakeIsItsOwn() throws {
        let taxi = try taxi("listen: none\ntenants:\n  a: {services: {stream: }}\n  b: {services: {stream: }}\n")
        try taxi.succeed("tenant", "create", "b")
        let settings = taxi("data/taxi-cli/b/taxi.yaml")
        let right = try String(contentsOfFile: settings, encoding: .utf8)
        try (right + "\nstream: {dlay: 3\n").write(toFile: settings, atomically: true, encoding: .utf8)
        let check = try taxi.run("serve", "--check")
        #expect(check.code == 78 && check.errors.contains("b/taxi.yaml:"), "\(check.errors)")
        let serve = try taxi.start(["serve"])
        try requireStates(taxi, serve, ["a/stream": "ready", "b/stream": "failed"])
        #expect((try services(taxi)["b/stream"]?["why"] as? String)?.contains("b/taxi.yaml:") == true)
        try right.write(toFile: settings, atomically: true, encoding: .utf8)
        serve.signal(SIGHUP)
        try requireStates(taxi, serve, ["a/stream": "ready", "b/stream": "ready"])
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
    }

    @Test func whatDidNotChangeGoesOnWhenTheFileIsReadAgain() throws {
        let taxi = try taxi("listen: none\ntenants:\n  a: {services: {stream: , workflow: }}\n")
        let serve = try taxi.start(["serve"])
        try requireStates(taxi, serve, ["a/stream": "ready", "a/workflow": "ready"])
        let (stream, workflow) = (try pid(taxi, "a/stream"), try pid(taxi, "a/workflow"))

        try write("listen: none\ntenants:\n  a: {services: {strem: }}\n", taxi)
        serve.signal(SIGHUP)
        #expect(eventually(within: 60) { serve.errors.contains("everything goes on as it was") })
        #expect(
            serve.errors.contains("serve.yaml:5:18: error: there is no kind of service \"strem\""), "\(serve.errors)")
        #expect(try pid(taxi, "a/stream") == stream && pid(taxi, "a/workflow") == workflow)

        try write(
            "listen: none\ntenants:\n  a: {weight: 2, services: {stream: {delay: 3s}, workflow: }}\n  b: {services: {stream: }}\n",
            taxi)
        serve.signal(SIGHUP)
        let isTaken = try eventually(within: 60) {
            try state(taxi, "a/stream") == "ready" && pid(taxi, "a/stream") != stream
                && state(taxi, "b/stream") == "ready"
        }
        #expect(isTaken, "\(shown(taxi)) \(serve.errors)")
        #expect(try pid(taxi, "a/workflow") == workflow)

        // Gone from the file, gone from the machine.
        try write("listen: none\ntenants:\n  b: {services: {stream: }}\n", taxi)
        serve.signal(SIGHUP)
        #expect(try eventually(within: 60) { try services(taxi).keys.sorted() == ["b/stream"] })

        // However serve dies, no service is left alone.
        let left = try #require(try pid(taxi, "b/stream"))
        serve.killAtOnce()
        #expect(eventually(within: 60) { kill(left, 0) != 0 })
    }

    @Test func whatCannotWorkIsNotTriedForEver() throws {
        let taxi = try taxi(
            """
            listen: none
            tenants:
              a:
                services:
                  stream:
                  replay: {args: none.csv, after: [stream]}
              b: {services: {stream: }}
            """)
        try taxi.succeed("tenant", "create", "a")
        try "queries: [".write(toFile: taxi("data/taxi-cli/a/queries.yaml"), atomically: true, encoding: .utf8)
        let serve = try taxi.start(["serve"])
        try requireStates(taxi, serve, ["a/stream": "failed", "a/replay": "waiting", "b/stream": "ready"])
        #expect((try services(taxi)["a/stream"]?["why"] as? String)?.contains("queries.yaml:") == true)

        // Mended, and asked to look again; the replay's file is not there, and after some attempts it is left alone.
        try FileManager.default.removeItem(atPath: taxi("data/taxi-cli/a/queries.yaml"))
        serve.signal(SIGHUP)
        try requireStates(taxi, serve, ["a/stream": "ready", "a/replay": "failed", "b/stream": "ready"])
        #expect((try services(taxi)["a/replay"]?["why"] as? String)?.contains("none.csv") == true)
        #expect(try services(taxi)["b/stream"]?["restarts"] as? Int == 0)
        let status = try taxi.run("status", "--tenant", "a", "--format", "table")
        #expect(status.code == 1 && status.text.contains("service replay has failed"), "\(status.text)")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
    }

    @Test func limitsHoldAndSaySo() throws {
        let taxi = try taxi(
            """
            listen: none
            tenants:
              slow:
                limits: {records: 200/s}
                services: {replay: [trips.csv, --max, --loop, --limit, '3000']}
              full:
                limits: {disk: 4KB}
                services: {stream: , workflow: }
            """)
        let serve = try taxi.start(["serve"])
        try requireStates(
            taxi, serve, ["slow/replay": "ready", "full/stream": "full", "full/workflow": "ready"])
        #expect((try services(taxi)["full/stream"]?["why"] as? String)?.contains("of the 4 kB") == true)
        #expect(try eventually(within: 60) { try services(taxi)["slow/replay"]?["limited"] as? String == "200/s" })
        // The same for a person and for a script.
        let page = try taxi.run("status", "--tenant", "slow", "--format", "json")
        #expect(
            try jsonObject(String(page.text.dropFirst().dropLast(2)))["limited"] as? String == "200/s", "\(page.text)")
        #expect(try taxi.run("status", "--tenant", "slow", "--format", "table").text.contains("limited: 200/s"))
        #expect(
            try taxi.run("status", "--tenant", "full", "--format", "table").text.contains(
                "service stream is full: the tenant has"))
        let listed = try taxi.succeed("tenant", "list", "--format", "jsonl").lines.map { try jsonObject($0) }
        #expect(listed.map { $0["state"] as? String } == ["full", "limited: 200/s"])
        #expect(listed.allSatisfy { ($0["memory"] as? Int ?? 0) > 1_000_000 && $0["cpu"] is Double }, "\(listed)")
        try requireStates(taxi, serve, ["slow/replay": "done"])
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
        let log = try String(contentsOfFile: taxi("data/taxi-cli/.serve/logs/slow-replay.log"), encoding: .utf8)
        let rate = try #require(log.firstMatch(of: /\ss, ([\d,]+)\/s/)?.1)
        #expect(try #require(Int(rate.filter { $0 != "," })) <= 210, "\(log)")
    }

    @Test func tenantsOfOtherUsersAreTheirOwn() throws {
        guard getuid() == 0, FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"),
            let daemon = getpwnam("daemon")?.pointee, getpwnam("games") != nil
        else { return print("skipped: only root runs services as other users (daemon, games; setpriv)") }
        let taxi = try taxi(
            """
            listen: none
            tenants:
              a: {user: daemon, services: {stream: , replay: {args: trips.csv, max: , after: [stream]}}}
              b: {user: games, limits: {memory: 100KB}, services: {workflow: }}
            """)
        // The way to the home has to be open; the home itself is opened by serve as far as it must be.
        chmod(taxi.folder, 0o755)
        chmod(taxi("data"), 0o755)
        chmod(taxi("data/taxi-cli/trips.csv"), 0o644)
        let serve = try taxi.start(["serve"])
        try requireStates(taxi, serve, ["a/stream": "ready", "a/replay": "done"])
        let stream = try #require(try pid(taxi, "a/stream"))
        let status = try String(contentsOfFile: "/proc/\(stream)/status", encoding: .utf8)
        #expect(status.contains("Uid:\t\(daemon.pw_uid)\t\(daemon.pw_uid)\t\(daemon.pw_uid)\t"), "\(status)")
        for (user, path, code) in [
            ("daemon", "a/taxi.yaml", 0), ("games", "a/taxi.yaml", 1), ("games", "a/results.db", 1),
            ("daemon", "b/taxi.yaml", 1),
            ("daemon", ".serve/state.json", 1),
        ] {
            let ending = try taxi.start(
                ["--reuid=\(user)", "--regid=\(user)", "--clear-groups", "cat", taxi("data/taxi-cli/\(path)")],
                executable: "/usr/bin/setpriv"
            ).wait()
            #expect(ending.code == Int32(code), "\(user) \(path): \(ending.errors)")
        }
        // Whoever needs more memory than the tenant has ends, and is told why.
        let isEnded = try eventually(within: 60) {
            (try services(taxi)["b/workflow"]?["why"] as? String)?.contains("the tenant may have 100 kB") == true
        }
        #expect(isEnded, "\(shown(taxi))")
        serve.signal(SIGTERM)
        #expect(serve.wait().code == 0)
        // Another user's tenant is not taken over.
        try write("listen: none\ntenants:\n  a: {services: {stream: }}\n", taxi)
        let other = try taxi.run("serve", "--check")
        #expect(other.code == 77 && other.errors.contains("belongs to user \(daemon.pw_uid)"), "\(other.errors)")
    }

    @Test(arguments: [true, false]) func systemdIsTold(isAbstract: Bool) throws {
        let taxi = try taxi("listen: none\ntenants:\n  a: {services: {workflow: }}\n")
        let path = isAbstract ? "@taxi-\(UUID().uuidString)" : "/tmp/taxi-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let manager = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer {
            close(manager)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(manager, $0, socklen_t(2 + bytes.count)) }
        }
        try #require(bound == 0)
        let serve = try taxi.start(
            ["serve"], environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"])
        var told = ""
        /// Everything up to a message with these words.
        func hear(_ words: String) throws {
            while !told.contains(words) {
                var wanted = pollfd(fd: manager, events: Int16(POLLIN), revents: 0)
                try #require(poll(&wanted, 1, 60_000) == 1, "no \(words) in \(told)")
                var piece = [UInt8](repeating: 0, count: 1024)
                let count = recv(manager, &piece, piece.count, 0)
                told += String(decoding: piece.prefix(max(0, count)), as: UTF8.self) + "\n\n"
            }
        }
        try hear("READY=1\nSTATUS=1 tenant, 1 of 1 services ready")
        try hear("WATCHDOG=1")
        told = ""
        serve.signal(SIGHUP)
        try hear("RELOADING=1\nMONOTONIC_USEC=")
        try hear("READY=1")
        serve.signal(SIGTERM)
        try hear("STOPPING=1")
        #expect(serve.wait().code == 0)
    }
}
