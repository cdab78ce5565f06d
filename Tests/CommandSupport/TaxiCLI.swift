package import Foundation
import Glibc
package import Testing

/// The built program, used as a person uses it: arguments, environment and files in; stdout, stderr and exit code out.
///
/// Each value has a folder of its own, which is the child's working directory, its HOME and (below `data`) its XDG home, and goes
/// away with the value. Every ended run is looked at for traps: a crash is a failure of whichever test met it.
package final class TaxiCLI: Sendable {
    /// Beside the test bundle in the build folder; `TAXI_CLI` names another one, such as a release build.
    package static let executable: String = {
        if let other = ProcessInfo.processInfo.environment["TAXI_CLI"] { return other }
        let bundle =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("taxi-cli").path
    }()

    package let folder: String
    /// Where `--home` points, set as TAXI_HOME; nil leaves it to XDG_DATA_HOME.
    private let home: String?
    package let tenant: String
    /// What every run finds in its environment, beside what it needs.
    private let environment: [String: String]

    /// - Parameters:
    ///   - home: another home than the one in `folder`.
    ///   - folder: another than a new one.
    ///   - tenant: other than the default one; it has to be created.
    ///   - environment: variables of every run, such as TAXI_BROKER.
    package init(
        home: String? = nil, folder: String? = nil, tenant: String = "chicago", environment: [String: String] = [:]
    ) throws {
        (self.home, self.tenant, self.environment) = (home, tenant, environment)
        self.folder = folder ?? FileManager.default.temporaryDirectory.path + "/taxi-cli-tests-\(UUID().uuidString)"
        let folder = self.folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The path of a file in the folder.
    package func callAsFunction(_ name: String) -> String { "\(folder)/\(name)" }

    package var tenantFolder: String { "\(home ?? "\(folder)/data/taxi-cli")/\(tenant)" }
    package var resultsPath: String { "\(tenantFolder)/results.db" }
    package var topicsPath: String { "\(tenantFolder)/topics.db" }

    /// Runs the program to its end.
    @discardableResult
    package func run(
        _ arguments: String..., input: String? = nil, environment: [String: String] = [:], timeout: Double = 120,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Ending {
        try start(arguments, input: input, environment: environment).wait(
            timeout: timeout, sourceLocation: sourceLocation)
    }

    /// Runs the program and expects exit code 0.
    @discardableResult
    package func succeed(
        _ arguments: String..., environment: [String: String] = [:], timeout: Double = 120,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Ending {
        let ending = try start(arguments, environment: environment)
            .wait(timeout: timeout, sourceLocation: sourceLocation)
        try #require(
            ending.code == 0, "\(arguments.joined(separator: " ")): \(ending.errors)", sourceLocation: sourceLocation)
        return ending
    }

    /// Runs a line of `sh`, in which `$TAXI` is the program.
    package func shell(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Ending {
        try start(["-c", line], executable: "/bin/sh").wait(timeout: 120, sourceLocation: sourceLocation)
    }

    /// Starts the program in the background.
    package func start(
        _ arguments: [String], input: String? = nil, environment: [String: String] = [:],
        executable: String = TaxiCLI.executable
    ) throws -> RunningProgram {
        // Names of their own, since several may run at once.
        let name = self("run-\(UUID().uuidString)")
        for suffix in ["in", "out", "err"] {
            try Data((suffix == "in" ? input ?? "" : "").utf8).write(to: URL(fileURLWithPath: "\(name).\(suffix)"))
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = cleanEnvironment.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(name).in"))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(name).out"))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(name).err"))
        return try RunningProgram(process, outputPath: "\(name).out", errorPath: "\(name).err")
    }

    /// Runs the program on a terminal of its own, as a person does: what it shows, the exit code.
    package func runOnTerminal(
        _ arguments: String..., environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (shown: String, code: Int32) {
        try runOnTerminal(arguments, environment: environment, sourceLocation: sourceLocation)
    }

    package func runOnTerminal(
        _ arguments: [String], environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (shown: String, code: Int32) {
        let (main, side) = try openTerminal(sourceLocation: sourceLocation)
        defer { close(main) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.executable)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = cleanEnvironment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(fileDescriptor: side, closeOnDealloc: false)
        process.standardError = FileHandle(fileDescriptor: side, closeOnDealloc: false)
        try process.run()
        close(side)
        // When nobody has the other side open any more, reading fails: that is the end.
        var shown = Data()
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = read(main, &piece, piece.count), count > 0 { shown += piece[..<count] }
        process.waitUntilExit()
        return (String(decoding: shown, as: UTF8.self), process.terminationStatus)
    }

    /// Starts a shell on a terminal of its own, as a person types into it.
    package func typing(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> TypedShell {
        let (main, side) = try openTerminal(sourceLocation: sourceLocation)
        // Wide, so that no shell breaks or moves the line: TIOCSWINSZ.
        var size = winsize(ws_row: 50, ws_col: 400, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(main, 0x5414, &size)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = cleanEnvironment.merging(["TERM": "dumb", "LC_ALL": "C.UTF-8"]) { $1 }
            .merging(environment) { $1 }
        let terminal = FileHandle(fileDescriptor: side, closeOnDealloc: false)
        (process.standardInput, process.standardOutput, process.standardError) = (terminal, terminal, terminal)
        try process.run()
        close(side)
        return TypedShell(process, terminal: main)
    }

    private func openTerminal(sourceLocation: SourceLocation) throws -> (main: Int32, side: Int32) {
        // What posix_openpt, unlockpt and ptsname do, which Swift's Glibc leaves out: TIOCSPTLCK, TIOCGPTN.
        let main = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (locked, number): (Int32, Int32) = (0, 0)
        try #require(
            main >= 0 && ioctl(main, 0x4004_5431, &locked) == 0 && ioctl(main, 0x8004_5430, &number) == 0,
            sourceLocation: sourceLocation)
        let side = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(side >= 0, sourceLocation: sourceLocation)
        return (main, side)
    }

    private var cleanEnvironment: [String: String] {
        var variables = [
            "HOME": folder, "XDG_DATA_HOME": "\(folder)/data", "NO_COLOR": "1", "PATH": "/usr/bin:/bin",
            "TAXI": Self.executable,
        ]
        variables["TAXI_HOME"] = home
        variables["TAXI_TENANT"] = tenant == "chicago" ? nil : tenant
        variables.merge(environment) { $1 }
        // Where Swift itself was installed out of the loader's sight.
        variables["LD_LIBRARY_PATH"] = ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"]
        return variables
    }
}

/// A shell on a terminal; it goes with the value.
package final class TypedShell {
    private let process: Process
    private let terminal: Int32
    private var shown = Data()

    fileprivate init(_ process: Process, terminal: Int32) { (self.process, self.terminal) = (process, terminal) }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        close(terminal)
    }

    package func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = write(terminal, bytes, bytes.count)
    }

    /// What it shows up to `mark`, which is taken from what is to come too; fails where that has not come within half a minute.
    package func shown(until mark: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let deadline = ContinuousClock.now + .seconds(30)
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            if let range = shown.range(of: Data(mark.utf8)) {
                defer { shown.removeSubrange(..<range.upperBound) }
                return String(decoding: shown[..<range.lowerBound], as: UTF8.self)
            }
            var wanted = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
            let isThere = poll(&wanted, 1, 1000) > 0
            let count = isThere ? read(terminal, &piece, piece.count) : 0
            if count > 0 { shown += piece[..<count] }
            try #require(
                ContinuousClock.now < deadline && (!isThere || count > 0),
                "no \(mark) in \(String(decoding: shown, as: UTF8.self).debugDescription)",
                sourceLocation: sourceLocation)
        }
    }
}

/// A program that was started and may still run.
///
/// `@unchecked Sendable`: the process is started before anybody else sees it and only waited for or signalled afterwards.
package final class RunningProgram: @unchecked Sendable {
    private let process: Process
    private let ended = DispatchSemaphore(value: 0)
    private let outputPath: String
    private let errorPath: String

    fileprivate init(_ process: Process, outputPath: String, errorPath: String) throws {
        (self.process, self.outputPath, self.errorPath) = (process, outputPath, errorPath)
        let ended = ended
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
        // The program has its own by now. Foundation keeps them as long as the process's record, and fails in `run` where the
        // system lists more than some 1,300 open ones.
        for stream in [process.standardInput, process.standardOutput, process.standardError] {
            try? (stream as? FileHandle)?.close()
        }
    }

    /// A test that fails must not leave a stream behind that runs for ever.
    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    package var isRunning: Bool { process.isRunning }
    package var pid: Int32 { process.processIdentifier }
    /// What it has said on stderr so far.
    package var errors: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

    /// What it has written to stdout so far.
    package var text: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }

    package func signal(_ number: Int32) { if process.isRunning { kill(process.processIdentifier, number) } }

    /// Waits for the end; after `timeout` seconds the program is killed, which is a failure.
    @discardableResult
    package func wait(timeout: Double = 120, sourceLocation: SourceLocation = #_sourceLocation) -> Ending {
        if ended.wait(timeout: .now() + timeout) == .timedOut {
            Issue.record(
                "did not end within \(timeout) s: \(process.arguments ?? []) \(errors)", sourceLocation: sourceLocation)
            kill(process.processIdentifier, SIGKILL)
            ended.wait()
        }
        ended.signal()
        let ending = Ending(
            code: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: Data((try? Data(contentsOf: URL(fileURLWithPath: outputPath))) ?? Data()), errors: errors)
        let hasTrapped =
            ending.errors.contains("Fatal error") || ending.errors.contains("Backtrac")
            || [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE].contains(-ending.code)
        if hasTrapped {
            Issue.record(
                "trapped (\(ending.code)): \(process.arguments ?? []) \(ending.errors)", sourceLocation: sourceLocation)
        }
        return ending
    }

    /// `kill -9`, and waits until it is gone.
    package func killAtOnce() {
        signal(SIGKILL)
        ended.wait()
        ended.signal()
    }
}

/// How a program ended.
package struct Ending: Sendable {
    /// The exit code; of a program that a signal ended, minus its number.
    package var code: Int32
    package var output: Data
    package var errors: String

    package var text: String { String(decoding: output, as: UTF8.self) }
    package var lines: [String] { text.split(separator: "\n").map(String.init) }
}
