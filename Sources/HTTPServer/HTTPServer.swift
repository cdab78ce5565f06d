internal import CMicrohttpd
internal import Glibc
public import Problems
import Synchronization

/// A request that has come whole.
public struct HTTPServerRequest: Sendable {
    public var method: String
    /// Without the query; bytes of `%20` and its like are what they stand for.
    public var path: String
    /// In their order; a name without `=` has an empty value.
    public var query: [(name: String, value: String)]
    /// By name in lower case; of several with one name the last.
    public var headers: [String: String]
    public var body: [UInt8]

    public init(
        method: String, path: String, query: [(name: String, value: String)], headers: [String: String], body: [UInt8]
    ) {
        (self.method, self.path, self.query) = (method, path, query)
        (self.headers, self.body) = (headers, body)
    }

    public func parameter(_ name: String) -> String? { query.last { $0.name == name }?.value }
}

/// What the server answers.
public struct HTTPServerResponse: Sendable {
    public enum Body: Sendable {
        case bytes([UInt8])
        /// Goes on until the client or the server ends.
        case events(EventChannel)
    }
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: Body

    public init(_ status: Int = 200, type: String, _ text: String) {
        self.init(status, type: type, Array(text.utf8))
    }

    public init(_ status: Int = 200, type: String, _ bytes: [UInt8]) {
        self.status = status
        headers = [("Content-Type", type)]
        body = .bytes(bytes)
    }

    /// A stream of events, as EventSource reads it.
    public init(events: EventChannel) {
        status = 200
        headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
        body = .events(events)
    }
}

/// Serves HTTP/1.1 by libmicrohttpd, on threads of its own, within limits that strangers cannot move.
///
/// `@unchecked Sendable`: what changes is under `state`.
public final class HTTPServer: @unchecked Sendable {
    public struct Options: Sendable {
        /// `host:port`; port 0 takes a free one.
        public var listen: String
        public var threads = 2
        public var connections = 512
        public var connectionsPerAddress = 300
        /// For the header of a request, in bytes.
        public var headerBytes = 16 << 10
        public var bodyBytes = 256 << 10
        /// What is said of a longer one; the request comes without its body.
        public var onTooLarge: @Sendable (HTTPServerRequest) -> HTTPServerResponse = { _ in
            HTTPServerResponse(413, type: "text/plain; charset=utf-8", "the body is too large\n")
        }
        /// Without any byte, in seconds.
        public var idleSeconds = 60
        /// Within so many seconds a request has come whole, or its connection is closed.
        public var requestSeconds = 10
        /// PEM of a certificate and its key; nil for no TLS.
        public var tls: (certificate: String, key: String)?

        public init(listen: String) { self.listen = listen }
    }

    /// Where it listens: the address that was asked for, with the port that it has.
    public let address: ListenAddress
    private let options: Options
    private let handler: @Sendable (HTTPServerRequest) -> HTTPServerResponse
    /// `@unchecked Sendable`: the library locks by itself.
    private struct Daemon: @unchecked Sendable { let pointer: OpaquePointer }
    private struct State {
        var daemon: Daemon?
        /// Of connections whose request has not come whole: when they were last without one, by socket.
        var waiting: [Int32: Int64] = [:]
        var isStopping = false
    }
    private let state = Mutex(State())
    private static let fault: String? = taxi_MHD_load().map { String(cString: $0) }

    /// Listens from its return on.
    ///
    /// - Parameter handler: called on the server's threads, several at a time.
    /// - Throws: `Problem`: `.usage` for an address that is none, `.unavailable` where it is taken or the library is missing,
    ///   `.noPermission`, `.configuration` for a certificate that cannot be used.
    public init(_ options: Options, handler: @escaping @Sendable (HTTPServerRequest) -> HTTPServerResponse)
        throws(Problem)
    {
        self.options = options
        self.handler = handler
        if let fault = Self.fault {
            throw Problem(
                .unavailable, "libmicrohttpd cannot be used: \(fault)",
                hint: "Install it: apt-get install libmicrohttpd12.")
        }
        let (socket, address) = try ListenAddress(options.listen).open()
        self.address = address
        let daemon = Self.start(options, socket, Unmanaged.passUnretained(self).toOpaque())
        guard let daemon else {
            close(socket)
            throw Problem(
                options.tls == nil ? .unavailable : .configuration,
                options.tls == nil
                    ? "the web server cannot be started on \(address)"
                    : "the web server cannot be started on \(address) with this certificate and key",
                hint: options.tls == nil ? nil : "Both are files in PEM, the key without a passphrase.")
        }
        let started = Daemon(pointer: daemon)
        state.withLock { $0.daemon = started }
        startWatch()
    }

    private static func start(_ options: Options, _ socket: Int32, _ context: UnsafeMutableRawPointer) -> OpaquePointer?
    {
        func start(_ certificate: UnsafePointer<CChar>?, _ key: UnsafePointer<CChar>?) -> OpaquePointer? {
            var settings = taxi_MHD_settings(
                socket: socket, threads: UInt32(options.threads), connections: UInt32(options.connections),
                connections_per_address: UInt32(options.connectionsPerAddress), memory: options.headerBytes * 2,
                timeout: UInt32(options.idleSeconds), certificate: certificate, key: key)
            return taxi_MHD_start(&settings, onRequest, onCompleted, onConnection, context)
        }
        guard let tls = options.tls else { return start(nil, nil) }
        return tls.certificate.withCString { certificate in tls.key.withCString { start(certificate, $0) } }
    }

    /// Ends all connections, and returns when none of the server's threads runs any more.
    public func stop() {
        let daemon = state.withLock { state in
            defer { state.daemon = nil }
            state.isStopping = true
            return state.daemon
        }
        guard let daemon else { return }
        EventChannel.endAll(of: ObjectIdentifier(self))
        taxi_MHD_stop_daemon(daemon.pointer)
    }

    deinit { stop() }

    // MARK: Slow clients

    /// A client that sends a byte now and then is never idle: what counts is when its request is whole.
    private func startWatch() {
        let limitNs = Int64(options.requestSeconds) * 1_000_000_000
        WatchThread.start { [weak self] in
            guard let self else { return false }
            return state.withLock { state in
                if state.isStopping { return false }
                let now = monotonicNs()
                for (socket, since) in state.waiting where now - since > limitNs {
                    // The server closes it, as it does where a client is gone.
                    shutdown(socket, Int32(SHUT_RDWR))
                    state.waiting[socket] = nil
                }
                return true
            }
        }
    }

    fileprivate func note(connection: OpaquePointer, isWaiting: Bool) {
        let socket = taxi_MHD_socket(connection)
        guard socket >= 0 else { return }
        state.withLock { $0.waiting[socket] = isWaiting ? monotonicNs() : nil }
    }

    // MARK: Requests

    fileprivate func answer(_ connection: OpaquePointer, _ pending: PendingRequest) -> MHD_Result {
        note(connection: connection, isWaiting: false)
        let response: HTTPServerResponse
        if pending.isTooLarge {
            response = options.onTooLarge(pending.request(connection))
        } else {
            response = handler(pending.request(connection))
        }
        return queue(response, on: connection, isHead: pending.method == "HEAD")
    }

    private func queue(_ response: HTTPServerResponse, on connection: OpaquePointer, isHead: Bool) -> MHD_Result {
        let made: OpaquePointer?
        switch response.body {
        case .bytes(let bytes):
            made = bytes.withUnsafeBytes { bytes in
                var nothing: UInt8 = 0
                return withUnsafeMutablePointer(to: &nothing) { empty in
                    taxi_MHD_create_response_from_buffer(
                        bytes.count,
                        UnsafeMutableRawPointer(mutating: bytes.baseAddress) ?? UnsafeMutableRawPointer(empty),
                        .RESPMEM_MUST_COPY)
                }
            }
        case .events(let channel):
            made = isHead ? nil : channel.response(for: connection, of: ObjectIdentifier(self))
        }
        guard let made else { return .NO }
        defer { taxi_MHD_destroy_response(made) }
        for header in response.headers { _ = taxi_MHD_add_response_header(made, header.name, header.value) }
        return taxi_MHD_queue_response(connection, UInt32(response.status), made)
    }

    fileprivate var bodyLimit: Int { options.bodyBytes }
}

func monotonicNs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// A request on its way.
private final class PendingRequest {
    let method: String
    let path: String
    var body: [UInt8] = []
    var isTooLarge = false

    init(method: String, path: String) { (self.method, self.path) = (method, path) }

    func request(_ connection: OpaquePointer) -> HTTPServerRequest {
        var request = HTTPServerRequest(method: method, path: path, query: [], headers: [:], body: body)
        withUnsafeMutablePointer(to: &request) { request in
            _ = taxi_MHD_get_values(
                connection, .GET_ARGUMENT_KIND,
                { context, _, name, value in
                    let request = context!.assumingMemoryBound(to: HTTPServerRequest.self)
                    guard let name else { return .YES }
                    request.pointee.query.append((String(cString: name), value.map { String(cString: $0) } ?? ""))
                    return .YES
                }, request)
            _ = taxi_MHD_get_values(
                connection, .HEADER_KIND,
                { context, _, name, value in
                    let request = context!.assumingMemoryBound(to: HTTPServerRequest.self)
                    guard let name, let value else { return .YES }
                    request.pointee.headers[String(cString: name).lowercased()] = String(cString: value)
                    return .YES
                }, request)
        }
        return request
    }
}

private let onRequest: MHD_AccessHandlerCallback = { context, connection, url, method, _, data, size, kept in
    let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
    guard let connection, let url, let method, let size, let kept else { return .NO }
    guard let known = kept.pointee else {
        let pending = PendingRequest(method: String(cString: method), path: String(cString: url))
        kept.pointee = Unmanaged.passRetained(pending).toOpaque()
        return .YES
    }
    let pending = Unmanaged<PendingRequest>.fromOpaque(known).takeUnretainedValue()
    guard size.pointee > 0 else { return server.answer(connection, pending) }
    if pending.body.count + size.pointee > server.bodyLimit {
        pending.isTooLarge = true
        pending.body = []
    } else if !pending.isTooLarge, let data {
        pending.body += UnsafeRawBufferPointer(start: data, count: size.pointee)
    }
    size.pointee = 0
    return .YES
}

private let onCompleted: MHD_RequestCompletedCallback = { context, connection, kept, _ in
    guard let known = kept?.pointee else { return }
    Unmanaged<PendingRequest>.fromOpaque(known).release()
    kept?.pointee = nil
    // The next request of the connection has its own time.
    guard let context, let connection else { return }
    Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue().note(connection: connection, isWaiting: false)
}

private let onConnection: MHD_NotifyConnectionCallback = { context, connection, _, code in
    guard let context, let connection else { return }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    server.note(connection: connection, isWaiting: code == .CONNECTION_NOTIFY_STARTED)
}
