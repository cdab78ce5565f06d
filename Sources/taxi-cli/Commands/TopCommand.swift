import CommandLine
import Dashboard
import Database
import Foundation
import Glibc
import Monitoring
import Problems
import Time

/// `top`: the dashboard in a terminal.
enum TopCommand {
    static let command = Command(
        name: "top", summary: "show live in the terminal what runs, how far behind it is, and when that will be over",
        discussion: """
            Rates, lag in records and in time, latency and watermark of a tenant, drawn anew each second; below it its queries, partitions or \
            workflows, or all tenants of the home. Keys: tab the next section, t the next tenant, p pause, q quit. It asks no process: it reads \
            the live numbers that each keeps, and results.db. Where stdout is no terminal, and with --once, it is written once; --format json is \
            all of it for a program, csv the section's table.
            """,
        examples: [
            Example("taxi-cli top", "what happens now, until q"),
            Example("taxi-cli top --once --section partitions", "once, for a script or a log"),
            Example("taxi-cli top --once --format jsonl | jq .lag.records", "one number for a script"),
        ],
        options: [
            Option("once", help: "write it once and end"),
            Option(
                "section", value: .value("NAME"), kind: .choice(TopScreen.Section.allCases.map(\.rawValue)),
                default: "queries",
                help: "which table to begin with"),
            Option(
                "every", value: .value("TIME"), kind: .duration, default: "1s", configKey: "top.every",
                help: "how often it is drawn"),
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        try globals.requireTenant()
        let home = WatchedTenants(globals, arguments, isAll: true)
        var view = View(
            tenant: globals.tenant, section: arguments.text("section").flatMap(TopScreen.Section.init) ?? .queries)
        guard arguments.terminal.outputIsTerminal, format(arguments) == .table, !arguments.isOn("once") else {
            return try once(home, view, arguments)
        }
        Interruption.install()
        let terminal = RawTerminal()
        defer {
            try? arguments.output.control("\u{1B}[?25h\u{1B}[?1049l")
            try? arguments.output.flush()
            terminal.restore()
        }
        // Another screen, so that what was there comes back, and no cursor.
        try arguments.output.control("\u{1B}[?1049h\u{1B}[?25l")
        let everyMs = max(200, arguments.durationMs("every") ?? 1000)
        var looks: [String: TenantLook] = [:]
        var before: [String: TenantLook] = [:]
        /// When to look next; nil for at once.
        var nextMs: Int64?
        while !Interruption.isRequested {
            let now = SystemClock.shared.monotonicMs
            if nextMs.map({ now >= $0 }) ?? true, !view.isPaused {
                before = looks
                let names = view.section == .tenants ? try home.tenants() : [view.tenant]
                for name in names {
                    looks[name] = TenantLook(try home.tenant(name).watched, nowMs: SystemClock.shared.nowMs)
                }
                nextMs = now + everyMs
            }
            try draw(view, looks, before, arguments)
            let leftMs = nextMs.map { $0 - SystemClock.shared.monotonicMs } ?? everyMs
            let key = terminal.key(timeoutMs: Int32(max(20, min(everyMs, leftMs))))
            guard let key else { continue }
            nextMs = nil
            if try !take(key, &view, home) { return .success }
        }
        return .success
    }

    /// A screen of text wherever it goes, unless somebody says otherwise.
    private static func format(_ arguments: ParsedArguments) -> OutputFormat {
        arguments.texts("format").last.flatMap { OutputFormat(rawValue: $0) } ?? .table
    }

    private static let betweenLooksSeconds = 0.35

    private struct View {
        var tenant: String
        var section: TopScreen.Section
        var isPaused = false
    }

    /// - Returns: false where the key ends the command.
    private static func take(_ key: UInt8, _ view: inout View, _ home: WatchedTenants) throws -> Bool {
        let sections = TopScreen.Section.allCases
        switch key {
        // Ctrl-C too: a terminal that sends keys as they are sends no signals.
        case UInt8(ascii: "q"), 3: return false
        case 9: view.section = sections[((sections.firstIndex(of: view.section) ?? 0) + 1) % sections.count]
        case UInt8(ascii: "p"): view.isPaused.toggle()
        case UInt8(ascii: "t"):
            let names = try home.tenants()
            if let place = names.firstIndex(of: view.tenant) { view.tenant = names[(place + 1) % names.count] }
        default: break
        }
        return true
    }

    private static func once(_ home: WatchedTenants, _ view: View, _ arguments: ParsedArguments) throws -> ExitStatus {
        let names = view.section == .tenants ? try home.tenants() : [view.tenant]
        func looks(at names: [String]) throws -> [TenantLook] {
            try names.map { TenantLook(try home.tenant($0).watched, nowMs: SystemClock.shared.nowMs) }
        }
        let before = try looks(at: names)
        // Rates are what has come between two looks.
        if before.contains(where: { !$0.numbers.processes.isEmpty }) {
            Thread.sleep(forTimeInterval: Self.betweenLooksSeconds)
        }
        let now = try looks(at: names)
        let look = try now.first { $0.tenant == view.tenant } ?? looks(at: [view.tenant])[0]
        let screen = TopScreen(
            look: look, before: before.first { $0.tenant == look.tenant }, others: now, section: view.section,
            style: arguments.terminal.outputStyle,
            width: arguments.terminal.outputIsTerminal ? arguments.terminal.width : 200, height: nil)
        let objects = zip(now, before).map { $0.json(since: $1) }
        switch format(arguments) {
        case .table: for line in screen.lines() { try arguments.output.writeLine(line) }
        case .json: try arguments.output.writeLine("[\n" + objects.joined(separator: ",\n") + "\n]")
        case .jsonl: for object in objects { try arguments.output.writeLine(object) }
        case .csv: try arguments.write(screen.table())
        }
        return .success
    }

    /// Each line is written over the one that was there: nothing is cleared that stays, so nothing flickers.
    private static func draw(
        _ view: View, _ looks: [String: TenantLook], _ before: [String: TenantLook], _ arguments: ParsedArguments
    ) throws {
        guard let look = looks[view.tenant] else { return }
        let size = RawTerminal.size()
        let screen = TopScreen(
            look: look, before: before[view.tenant], others: looks.values.sorted { $0.tenant < $1.tenant },
            section: view.section,
            style: arguments.terminal.outputStyle, width: max(20, size.columns), height: max(8, size.rows))
        var lines = screen.lines()
        if view.isPaused { lines[0] += "  (paused)" }
        let output = arguments.output
        try output.control("\u{1B}[H")
        for (index, line) in lines.enumerated() {
            try output.write(line)
            try output.control("\u{1B}[K" + (index < lines.count - 1 ? "\r\n" : ""))
        }
        try output.control("\u{1B}[J")
        try arguments.output.flush()
    }
}

/// A terminal whose keys come one by one, without being shown.
private final class RawTerminal {
    private var original = termios()
    private let isRaw: Bool

    init() {
        guard tcgetattr(STDIN_FILENO, &original) == 0 else {
            isRaw = false
            return
        }
        var raw = original
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        isRaw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0
    }

    func restore() { if isRaw { tcsetattr(STDIN_FILENO, TCSANOW, &original) } }

    /// The next key; nil where none comes in time.
    func key(timeoutMs: Int32) -> UInt8? {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard isRaw, poll(&input, 1, timeoutMs) > 0 else {
            if !isRaw { poll(nil, 0, timeoutMs) }
            return nil
        }
        var byte: UInt8 = 0
        // A terminal that is gone ends the command.
        return read(STDIN_FILENO, &byte, 1) == 1 ? byte : UInt8(ascii: "q")
    }

    static func size() -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}
