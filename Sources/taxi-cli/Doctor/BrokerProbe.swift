import Glibc

/// Whether something listens where a broker should; says nothing about whether it is one.
enum BrokerProbe {
    /// Why no connection to `host:port` came about within the time; nil where it did. All addresses of the host are tried in turn.
    static func failure(server: String, timeoutMs: Int64) -> String? {
        guard let colon = server.lastIndex(of: ":") else { return "no port" }
        var host = String(server[..<colon])
        // [::1]:9092
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var addresses: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(server[server.index(after: colon)...]), &hints, &addresses)
        guard code == 0 else { return String(cString: gai_strerror(code)) }
        defer { freeaddrinfo(addresses) }

        var reason = "no address"
        var next = addresses
        while let address = next?.pointee {
            guard let failure = failure(address: address, timeoutMs: timeoutMs) else { return nil }
            reason = failure
            next = address.ai_next
        }
        return reason
    }

    private static func failure(address: addrinfo, timeoutMs: Int64) -> String? {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = socket(address.ai_family, address.ai_socktype | flags, address.ai_protocol)
        guard socket >= 0 else { return String(cString: strerror(errno)) }
        defer { close(socket) }
        if connect(socket, address.ai_addr, address.ai_addrlen) == 0 { return nil }
        guard errno == EINPROGRESS else { return String(cString: strerror(errno)) }
        var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, Int32(clamping: timeoutMs)) > 0 else { return "no answer" }
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size)
        return error == 0 ? nil : String(cString: strerror(error))
    }
}
