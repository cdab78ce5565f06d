import Basics
import CommandLine
import Database
import Foundation
import Glibc
import Postgres
import Problems

/// What the machine gives: libraries, disk, memory, open files, time zones, terminal.
struct MachineChecks {
    private let terminal: Terminal
    private let environment: [String: String]
    private let home: String?

    /// - Parameter home: nil where none is known.
    init(_ arguments: ParsedArguments, home: String?) {
        (terminal, environment) = (arguments.terminal, arguments.environment)
        self.home = home
    }

    func findings() -> [Finding] {
        let places = home.map { [folder($0)] + disk($0) } ?? []
        return [program()] + libraries() + places + [memory(), openFiles(), timeZones(), shown()]
    }

    private func program() -> Finding {
        #if compiler(>=6.4)
            let compiler = "Swift 6.4 or newer"
        #elseif compiler(>=6.3)
            let compiler = "Swift 6.3"
        #else
            let compiler = "Swift 6.2"
        #endif
        #if DEBUG
            return Finding(
                "taxi-cli", .warn, "\(TaxiCLI.version), \(compiler), debug build",
                advice: "It is many times slower than a release: swift build -c release.")
        #else
            return Finding("taxi-cli", .ok, "\(TaxiCLI.version), \(compiler), release build")
        #endif
    }

    /// Versions of the C libraries, asked of the libraries themselves: headers would only say what was there when it was built.
    private func libraries() -> [Finding] {
        let functions = [
            ("SQLite", "sqlite3_libversion"), ("libyaml", "yaml_get_version_string"), ("zstd", "ZSTD_versionString"),
            ("zlib", "zlibVersion"), ("librdkafka", "rd_kafka_version_str"), ("libcurl", "curl_version"),
        ]
        // It alone is loaded only when it is used.
        _ = dlopen("libcurl.so.4", RTLD_LAZY | RTLD_GLOBAL)
        let found = functions.map { name, function in
            guard let symbol = dlsym(nil, function) else {
                return Finding(
                    name, .warn, "cannot be loaded", advice: "Requests over HTTP need it: apt-get install libcurl4.")
            }
            typealias Version = @convention(c) () -> UnsafePointer<CChar>?
            // libcurl names all that it was built with; what secures a connection is of interest.
            let version = (unsafeBitCast(symbol, to: Version.self)().map { String(cString: $0) } ?? "unknown")
                .split(separator: " ").prefix(2).joined(separator: ", ").replacing("libcurl/", with: "")
            let isOld = name == "SQLite" && Self.isVersion(version, before: [3, 38])
            guard !isOld else {
                return Finding(
                    name, .fail(.unavailable), version,
                    advice: "Results need JSON functions, which SQLite has from 3.38 on.")
            }
            return Finding(name, .ok, version)
        }
        return found + [
            PostgresConnection.libraryVersion.map { Finding("libpq", .ok, $0) }
                ?? Finding(
                    "libpq", .warn, "cannot be loaded", advice: "taxi-cli publish needs it: apt-get install libpq5.")
        ]
    }

    private static func isVersion(_ version: String, before wanted: [Int]) -> Bool {
        version.split(separator: ".").map { Int($0) ?? 0 }.lexicographicallyPrecedes(wanted)
    }

    private func folder(_ home: String) -> Finding {
        var status = stat()
        guard stat(home, &status) == 0 else {
            if Files.exists(home) { return Finding("home", Problem(.read, home, errno)) }
            let parent = Self.nearestFolder(of: home)
            guard Files.isFolder(parent), access(parent, W_OK | X_OK) == 0 else {
                let number = Files.isFolder(parent) ? errno : ENOTDIR
                return Finding(
                    "home", .fail(Problem.Code(number, doing: .create)),
                    "\(home) cannot be made: \(parent) may not be written",
                    advice: "Choose another place with --home or TAXI_HOME.")
            }
            if errno == ENAMETOOLONG { return Finding("home", Problem(.create, home, ENAMETOOLONG)) }
            return Finding("home", .ok, "\(home) (will be made)")
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        if isFolder, access(home, W_OK | X_OK) != 0, let tenants = try? TenantHome.tenants(in: home), !tenants.isEmpty {
            return Finding(
                "home", .warn, "\(home) may only be read",
                advice: "Commands that look work; for those that write choose another place with --home or TAXI_HOME.")
        }
        guard isFolder, access(home, W_OK | X_OK) == 0 else {
            return Finding(
                "home", .fail(Problem.Code(isFolder ? errno : ENOTDIR, doing: .create)),
                "\(home) is no folder that may be written",
                advice: "Choose another place with --home or TAXI_HOME, or change its permissions.")
        }
        do throws(Problem) { try Files.requireOurs(home, "the home") } catch { return Finding("home", error) }
        let mode = String(status.st_mode & 0o777, radix: 8)
        guard status.st_mode & 0o077 == 0 else {
            return Finding(
                "home", .warn, "\(home) is open to others (mode \(mode))",
                advice: "Run: chmod 700 \(shellWord(home))")
        }
        return Finding("home", .ok, "\(home) (mode \(mode))")
    }

    private func disk(_ home: String) -> [Finding] {
        let folder = Self.nearestFolder(of: home)
        var findings: [Finding] = []
        var space = statvfs()
        if statvfs(folder, &space) == 0 {
            let free = Int64(space.f_bavail) * Int64(space.f_frsize)
            let detail = "\(byteText(free)) free at \(folder)"
            let advice = "Make room, or choose another place with --home."
            if free < 100 << 20 {
                findings.append(Finding("disk", .fail(.inputOutput), detail, advice: advice))
            } else {
                findings.append(
                    free < 2 << 30 ? Finding("disk", .warn, detail, advice: advice) : Finding("disk", .ok, detail))
            }
        }
        // Write-ahead logs share memory between processes, which no network file system gives.
        if let name = Self.fileSystem(of: folder), Self.networkFileSystems.contains(name) {
            findings.append(
                Finding(
                    "file system", .fail(.cannotCreate),
                    "\(folder) is on \(name), where SQLite cannot share a database",
                    advice: "Choose a local disk with --home."))
        }
        return findings
    }

    private func memory() -> Finding {
        let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        let words = line?.split(separator: " ") ?? []
        guard words.count > 1, let kilobytes = Int64(words[1]) else {
            return Finding("memory", .ok, "unknown; \(ProcessInfo.processInfo.activeProcessorCount) cores")
        }
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let detail = "\(byteText(kilobytes << 10)) available, \(cores) core\(cores == 1 ? "" : "s")"
        guard kilobytes >= 512 << 10 else {
            return Finding("memory", .warn, detail, advice: "Close something: a stream wants some 500 MiB.")
        }
        return Finding("memory", .ok, detail)
    }

    private func openFiles() -> Finding {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return Finding("open files", .ok, "no limit known")
        }
        let detail = limit.rlim_cur == .max ? "no limit" : "up to \(limit.rlim_cur)"
        guard limit.rlim_cur >= 256 else {
            return Finding("open files", .warn, detail, advice: "Run: ulimit -n 1024")
        }
        return Finding("open files", .ok, detail)
    }

    /// Chicago in winter and summer: data that know no daylight time would put half the year into the wrong hour.
    private func timeZones() -> Finding {
        let zone = TimeZone(identifier: "America/Chicago")
        let offsets = [1_705_946_400, 1_721_692_800].map { zone?.secondsFromGMT(for: Date(timeIntervalSince1970: $0)) }
        guard offsets == [-6 * 3600, -5 * 3600] else {
            return Finding(
                "time zones", .fail(.unavailable), "the offsets of America/Chicago are wrong or unknown",
                advice: "Install the time zone data of the system (package tzdata).")
        }
        return Finding("time zones", .ok, "America/Chicago is 6 hours behind UTC in winter, 5 in summer")
    }

    private func shown() -> Finding {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? "C"
        guard terminal.outputIsTerminal else { return Finding("terminal", .ok, "none: results come as JSON lines") }
        let detail = "\(terminal.width) columns, \(terminal.allowsColor ? "colours" : "no colours"), locale \(locale)"
        guard locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8") else {
            return Finding(
                "terminal", .warn, detail, advice: "Charts are drawn in UTF-8: set LANG, such as to C.UTF-8.")
        }
        return Finding("terminal", .ok, detail)
    }

    /// The folder itself or the nearest above it that there is.
    private static func nearestFolder(of path: String) -> String {
        var path = path
        while !path.isEmpty, path != "/", access(path, F_OK) != 0 {
            guard let slash = path.lastIndex(of: "/") else { return "." }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return path.isEmpty ? "." : path
    }

    /// The type of the file system that holds `path`, as mount(8) names it; nil where /proc does not say.
    private static func fileSystem(of path: String) -> String? {
        guard let mounts = try? String(contentsOfFile: "/proc/mounts", encoding: .utf8) else { return nil }
        let whole = URL(fileURLWithPath: path).resolvingSymlinksInPath().path + "/"
        var longest = (point: "", type: String?.none)
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 2 else { continue }
            let point = words[1].hasSuffix("/") ? String(words[1]) : words[1] + "/"
            if whole.hasPrefix(point), point.count >= longest.point.count { longest = (point, String(words[2])) }
        }
        return longest.type
    }

    private static let networkFileSystems: Set<String> = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"]
}
