internal import CLibpq
internal import Glibc
public import Problems

/// A session with a PostgreSQL, through libpq; used by one thread.
///
/// Nothing blocks for longer than a tenth of a second without asking whether it should stop.
public final class PostgresConnection {
    /// Once, before the first use.
    private static let fault: String? = taxi_pq_load().map { String(cString: $0) }

    public let url: PostgresURL
    let raw: OpaquePointer
    private let isStopped: () -> Bool
    private let database: String?
    private let user: String?

    /// The library's version, as 15.18; nil where it cannot be loaded.
    public static var libraryVersion: String? {
        fault == nil ? "\(taxi_pq_version() / 10_000).\(taxi_pq_version() % 10_000)" : nil
    }

    /// Connects.
    ///
    /// - Parameters:
    ///   - password: before any that the URL, the environment or `~/.pgpass` has.
    ///   - isStopped: asked ten times a second while something is waited for.
    /// - Throws: `.unavailable` where nobody answers or there is no libpq, `.noPermission`, `.configuration` (no such database),
    ///   `.usage` (the URL), `.tryAgain` where it was stopped.
    public init(_ url: PostgresURL, password: String? = nil, isStopped: @escaping () -> Bool = { false })
        throws(Problem)
    {
        if let fault = Self.fault {
            throw Problem(.unavailable, "libpq cannot be used: \(fault)", hint: "Install it: apt-get install libpq5.")
        }
        var settings = try Self.settings(of: url)
        if let password { settings["password"] = password }
        // What goes over the wire is UTF-8 here, whatever the database is in; somebody who is gone shall be noticed, in minutes at most.
        for (name, value) in [
            ("application_name", "taxi-cli"), ("connect_timeout", "10"), ("keepalives_idle", "15"),
            ("keepalives_interval", "5"),
            ("keepalives_count", "4"), ("tcp_user_timeout", "300000"),
        ] where settings[name] == nil { settings[name] = value }
        settings["client_encoding"] = "UTF8"
        (self.url, self.isStopped) = (url, isStopped)
        database = settings["dbname"] ?? settings["user"]
        user = settings["user"]
        let pairs = settings.sorted { $0.key < $1.key }
        let words = pairs.map { strdup($0.key) } + [nil] + pairs.map { strdup($0.value) } + [nil]
        defer { for word in words { free(word) } }
        let started = words.map { UnsafePointer($0) }.withUnsafeBufferPointer { list in
            taxi_pq_start(list.baseAddress, list.baseAddress! + pairs.count + 1)
        }
        guard let started else { throw Problem(.unavailable, "libpq does not start: out of memory") }
        raw = started
        let seconds = settings["connect_timeout"].flatMap { Int($0) } ?? 10
        try finishConnecting(until: .now + .seconds(seconds < 1 ? 3600 : max(2, seconds)))
        taxi_pq_set_nonblocking(raw)
    }

    deinit { taxi_pq_finish(raw) }

    /// What libpq makes of the URL.
    private static func settings(of url: PostgresURL) throws(Problem) -> [String: String] {
        var error: UnsafeMutablePointer<CChar>?
        guard let options = taxi_pq_parse(url.connection, &error) else {
            let text = error.map { String(cString: $0) } ?? ""
            taxi_pq_freemem(error)
            // libpq shows the whole of it.
            let detail = url.hasPassword ? "" : ": \(text.split(whereSeparator: \.isNewline).first ?? "")"
            throw Problem(
                .usage, "libpq does not understand \"\(url.shown)\"\(detail)",
                hint:
                    "Characters with a meaning in URLs are written as %40 (@), %3A (:), %2F (/) in names and passwords."
            )
        }
        defer { taxi_pq_free_options(options) }
        var settings: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { settings[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return settings
    }

    private func finishConnecting(until deadline: ContinuousClock.Instant) throws(Problem) {
        var wanted = TAXI_PQ_POLLING_WRITING
        while true {
            if wanted == TAXI_PQ_POLLING_OK { return }
            if wanted == TAXI_PQ_POLLING_FAILED {
                if taxi_pq_needs_password(raw) == 1 {
                    throw Refusal(state: "28P01", message: "it wants a password and there is none")
                        .problem(at: url.shown, doing: nil)
                }
                throw Refusal(connecting: lastError)
                    .problem(at: url.shown, doing: nil, database: database, user: user)
            }
            guard ContinuousClock.now < deadline else {
                throw Problem(.unavailable, "cannot connect to \"\(url.shown)\": no answer in time")
            }
            try wait(for: wanted == TAXI_PQ_POLLING_READING ? POLLIN : POLLOUT)
            wanted = Int(taxi_pq_poll(raw))
        }
    }

    private var lastError: String { String(cString: taxi_pq_error(raw)) }

    /// Returns when the socket is ready, or a tenth of a second has gone.
    private func wait(for events: Int32) throws(Problem) {
        try stopIfAsked()
        var descriptor = pollfd(fd: taxi_pq_socket(raw), events: Int16(events), revents: 0)
        poll(&descriptor, 1, 100)
        try stopIfAsked()
    }

    /// - Throws: `.tryAgain` where it shall stop; what the server does ends too.
    public func stopIfAsked() throws(Problem) {
        guard isStopped() else { return }
        if taxi_pq_status(raw) == TAXI_PQ_CONNECTION_OK { taxi_pq_cancel(raw) }
        throw Problem(.tryAgain, "was stopped")
    }

    /// Waits, and ends that where it shall stop.
    public func pause(ms: Int) throws(Problem) {
        for _ in 0..<(ms + 49) / 50 {
            try stopIfAsked()
            poll(nil, 0, 50)
        }
    }

    func lost(_ doing: String) -> Problem {
        Problem(
            .unavailable,
            "the connection to \"\(url.shown)\" was lost while \(doing): \(Refusal(connecting: lastError).message)",
            hint: "Nothing of it is half done: run it again.")
    }

    // MARK: statements

    /// Runs one or more statements without parameters, or one with.
    ///
    /// - Parameter doing: what it is for, for people: `writing table "runs"`.
    /// - Returns: the rows of the last one, as texts, and how many rows it changed.
    @discardableResult
    public func run(
        _ sql: String, _ values: [String?] = [], doing: String
    ) throws(Problem) -> (rows: [[String?]], affected: Int) {
        try send(sql, values, doing)
        var rows: [[String?]] = []
        var affected = 0
        var refusal: Problem?
        while let result = try nextResult(doing) {
            defer { taxi_pq_clear(result) }
            switch Int(taxi_pq_result_status(result)) {
            case TAXI_PQ_TUPLES_OK: rows = Self.rows(of: result)
            case TAXI_PQ_COMMAND_OK: rows = []
            default: refusal = refusal ?? self.problem(of: result, doing)
            }
            affected = Int(String(cString: taxi_pq_affected(result))) ?? 0
        }
        if let refusal { throw refusal }
        return (rows, affected)
    }

    /// The first column of the first row.
    public func value(_ sql: String, _ values: [String?] = [], doing: String) throws(Problem) -> String? {
        try run(sql, values, doing: doing).rows.first?.first ?? nil
    }

    func send(_ sql: String, _ values: [String?], _ doing: String) throws(Problem) {
        let words = values.map { $0.map { strdup($0) } ?? nil }
        defer { for word in words { free(word) } }
        let sent = words.map { UnsafePointer($0) }.withUnsafeBufferPointer {
            taxi_pq_send(raw, sql, Int32($0.count), $0.baseAddress)
        }
        guard sent == 1 else { throw lost(doing) }
        try flush(doing)
    }

    func flush(_ doing: String) throws(Problem) {
        while true {
            switch taxi_pq_flush(raw) {
            case 0: return
            case 1:
                try wait(for: POLLIN | POLLOUT)
                // A server that has something to say may take nothing before it has said it.
                guard taxi_pq_consume(raw) == 1 else { throw lost(doing) }
            default: throw lost(doing)
            }
        }
    }

    /// - Returns: nil where the statement has ended; else to be cleared by the caller.
    func nextResult(_ doing: String) throws(Problem) -> OpaquePointer? {
        while taxi_pq_is_busy(raw) == 1 {
            try wait(for: POLLIN)
            guard taxi_pq_consume(raw) == 1 else { throw lost(doing) }
        }
        return taxi_pq_get_result(raw)
    }

    func problem(of result: OpaquePointer, _ doing: String) -> Problem {
        let state = taxi_pq_result_field(result, Int32(TAXI_PQ_SQLSTATE)).map { String(cString: $0) } ?? ""
        let primary = taxi_pq_result_field(result, Int32(TAXI_PQ_MESSAGE_PRIMARY)).map { String(cString: $0) }
        guard !state.isEmpty, let primary else { return lost(doing) }
        let detail = taxi_pq_result_field(result, Int32(TAXI_PQ_MESSAGE_DETAIL)).map { " (\(String(cString: $0)))" }
        let message = (primary + (detail ?? "")).replacing("\n", with: " ")
        return Refusal(state: state, message: message)
            .problem(at: url.shown, doing: doing, database: database, user: user)
    }

    private static func rows(of result: OpaquePointer) -> [[String?]] {
        (0..<taxi_pq_rows(result)).map { row in
            (0..<taxi_pq_columns(result)).map { column in
                taxi_pq_value(result, row, column).map { String(cString: $0) }
            }
        }
    }

    /// Runs `body` in one transaction; an error rolls it back, where there is still somebody to do so.
    public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try run("BEGIN", doing: "a transaction")
        do {
            let result = try body()
            try run("COMMIT", doing: "to commit")
            return result
        } catch {
            if taxi_pq_status(raw) == TAXI_PQ_CONNECTION_OK, !isStopped() {
                _ = try? run("ROLLBACK", doing: "to roll back")
            }
            throw error
        }
    }

    // MARK: COPY

    /// Sends rows in PostgreSQL's binary form.
    ///
    /// - Parameters:
    ///   - table: with its columns: `"s"."t" ("a", "b")`.
    ///   - body: puts rows into the buffer it is given, and calls `send` now and then.
    /// - Returns: how many rows the server took.
    public func copy(
        into table: String, options: String = "", doing: String, _ body: (CopyStream) throws -> Void
    ) throws -> Int {
        try send("COPY \(table) FROM STDIN (FORMAT binary\(options))", [], doing)
        guard let result = try nextResult(doing) else { throw lost(doing) }
        defer { taxi_pq_clear(result) }
        guard Int(taxi_pq_result_status(result)) == TAXI_PQ_COPY_IN else {
            let problem = problem(of: result, doing)
            while let more = try nextResult(doing) { taxi_pq_clear(more) }
            throw problem
        }
        let stream = CopyStream(self, doing)
        do {
            try body(stream)
            try stream.end()
        } catch {
            // The server shall roll back, and the connection be fit for that.
            if taxi_pq_status(raw) == TAXI_PQ_CONNECTION_OK, !isStopped() {
                taxi_pq_put_copy_end(raw, "stopped")
                try? flush(doing)
                while let more = try? nextResult(doing) { taxi_pq_clear(more) }
            }
            throw error
        }
        var affected = 0
        var refusal: Problem?
        while let more = try nextResult(doing) {
            defer { taxi_pq_clear(more) }
            if Int(taxi_pq_result_status(more)) != TAXI_PQ_COMMAND_OK { refusal = problem(of: more, doing) }
            affected = Int(String(cString: taxi_pq_affected(more))) ?? 0
        }
        if let refusal { throw refusal }
        return affected
    }

    func put(_ bytes: UnsafeRawBufferPointer, _ doing: String) throws(Problem) {
        let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        try stopIfAsked()
        while true {
            switch taxi_pq_put_copy(raw, start, Int32(bytes.count)) {
            case 1: return
            case 0:
                try wait(for: POLLIN | POLLOUT)
                guard taxi_pq_consume(raw) == 1, taxi_pq_flush(raw) >= 0 else { throw lost(doing) }
            default: throw lost(doing)
            }
        }
    }

    func endCopy(_ doing: String) throws(Problem) {
        while true {
            switch taxi_pq_put_copy_end(raw, nil) {
            case 1: return try flush(doing)
            case 0: try wait(for: POLLOUT)
            default: throw lost(doing)
            }
        }
    }
}
