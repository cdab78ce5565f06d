internal import Glibc
public import Problems

/// Where a server listens: `127.0.0.1:8787`, `[::1]:0`, `0.0.0.0:80`.
public struct ListenAddress: Sendable, CustomStringConvertible {
    public var host: String
    public var port: UInt16

    /// - Throws: `.usage` for what is no address.
    public init(_ text: String) throws(Problem) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw Self.noAddress(text)
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw Self.noAddress(text) }
        (self.host, self.port) = (host, port)
    }

    private static func noAddress(_ text: String) -> Problem {
        Problem(
            .usage, "\"\(visible(text))\" is no address to listen at",
            hint: "Write host:port, such as 127.0.0.1:8787; port 0 takes a free one.")
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only processes of this machine reach it.
    public var isLoopback: Bool { Self.isLoopback(host) }

    /// Whether a name or number is this machine's own, for itself alone: `localhost`, `127.0.0.1`, `::1`.
    public static func isLoopback(_ host: String) -> Bool {
        var number = in_addr()
        if inet_pton(AF_INET, host, &number) == 1 { return UInt32(bigEndian: number.s_addr) >> 24 == 127 }
        return host.lowercased() == "localhost" || host == "::1"
    }

    /// Opens a socket that listens there.
    ///
    /// - Returns: the socket and the address with the port that it has.
    func open() throws(Problem) -> (socket: Int32, address: ListenAddress) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0, let info = found else {
            throw Problem(
                .usage, "there is no address \"\(visible(host))\": \(String(cString: gai_strerror(code)))",
                hint: "Write the number of an address of this machine, such as 127.0.0.1.")
        }
        defer { freeaddrinfo(found) }
        let file = socket(
            info.pointee.ai_family,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard file >= 0 else { throw refusal(errno) }
        var on: Int32 = 1
        setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(file, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, listen(file, 256) == 0 else {
            let number = errno
            close(file)
            throw refusal(number)
        }
        var address = self
        var bound = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let hasName = withUnsafeMutablePointer(to: &bound) { bound in
            bound.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(file, $0, &size) == 0 }
        }
        if hasName {
            // The port stands at the same place in the addresses of both families.
            address.port = withUnsafeBytes(of: bound) {
                UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            }
        }
        return (file, address)
    }

    private func refusal(_ number: Int32) -> Problem {
        switch number {
        case EADDRINUSE:
            Problem(
                .unavailable, "another program listens at \(self)",
                hint: "Choose another port with --listen; 0 takes a free one.")
        case EACCES:
            Problem(.noPermission, "this user may not listen at \(self)", hint: "Choose a port from 1024 up.")
        default: Problem(.unavailable, "cannot listen at \(self): \(Problem.text(number))")
        }
    }
}
