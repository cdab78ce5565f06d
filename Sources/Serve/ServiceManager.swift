internal import Glibc
internal import Problems

/// What systemd is told of serve: one datagram a message, to the socket that NOTIFY_SOCKET names. Without the variable nothing happens.
///
/// Source: sd_notify(3).
struct ServiceManager {
    private let address: String?
    /// Each how many ns a sign of life is wanted; nil for never.
    let watchdogNs: Int64?

    /// - Parameter environment: of the process.
    init(environment: [String: String]) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isMeant = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let usec = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        // Twice in the time, as its manual asks for.
        watchdogNs = isMeant && usec > 0 && address != nil ? usec / 2 * 1000 : nil
    }

    /// Variables that are meant for this process alone.
    static let variables = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    ]

    func tell(_ lines: String...) {
        guard let address else { return }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(address.utf8)
        let room = MemoryLayout.size(ofValue: name.sun_path)
        guard bytes.count < room, bytes.first == UInt8(ascii: "@") || bytes.first == UInt8(ascii: "/") else { return }
        // An abstract one begins with a zero byte, and has none at its end.
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        let length = MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1)
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let text = Array(lines.joined(separator: "\n").utf8)
        _ = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, text, text.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
    }
}
