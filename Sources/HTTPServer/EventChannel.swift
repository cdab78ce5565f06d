internal import CMicrohttpd
internal import Glibc
import Synchronization

/// A stream of events to many clients. A client that reads slowly gets the newest one next, so that nobody holds memory or anybody else up.
public final class EventChannel: Sendable {
    /// `@unchecked Sendable`: used under the channel's lock.
    private final class Client: @unchecked Sendable {
        let connection: OpaquePointer
        let server: ObjectIdentifier
        let channel: EventChannel
        var next: [UInt8]?
        /// What is on its way, and how much of it has been given.
        var current: [UInt8] = []
        var given = 0
        var isSuspended = false
        var hasEnded = false

        init(_ connection: OpaquePointer, _ server: ObjectIdentifier, _ channel: EventChannel) {
            (self.connection, self.server, self.channel) = (connection, server, channel)
        }
    }

    private struct State {
        var clients: [ObjectIdentifier: Client] = [:]
        /// What a new client gets at once.
        var latest: [UInt8]?
    }
    private let state = Mutex(State())
    private static let channels = Mutex<[ObjectIdentifier: WeakChannel]>([:])
    private struct WeakChannel { weak var channel: EventChannel? }

    public init() { Self.channels.withLock { $0[ObjectIdentifier(self)] = WeakChannel(channel: self) } }
    deinit { Self.channels.withLock { $0[ObjectIdentifier(self)] = nil } }

    public var clientCount: Int { state.withLock { $0.clients.count } }

    /// Sends an event to all clients.
    ///
    /// - Parameter data: one line.
    public func publish(event: String, data: String) {
        let bytes = Array("event: \(event)\ndata: \(data)\n\n".utf8)
        state.withLock { state in
            state.latest = bytes
            for client in state.clients.values {
                client.next = bytes
                resume(client)
            }
        }
    }

    private func resume(_ client: Client) {
        guard client.isSuspended else { return }
        client.isSuspended = false
        taxi_MHD_resume_connection(client.connection)
    }

    /// Lets the streams of a server come to their ends: a server does not stop while connections are suspended.
    static func endAll(of server: ObjectIdentifier) {
        let all = channels.withLock { $0.values.compactMap(\.channel) }
        for channel in all {
            channel.state.withLock { state in
                for client in state.clients.values where client.server == server {
                    client.hasEnded = true
                    channel.resume(client)
                }
            }
        }
    }

    func response(for connection: OpaquePointer, of server: ObjectIdentifier) -> OpaquePointer? {
        let client = Client(connection, server, self)
        state.withLock { state in
            client.next = state.latest ?? Array(": hello\n\n".utf8)
            state.clients[ObjectIdentifier(client)] = client
        }
        let made = taxi_MHD_create_response_from_callback(
            16 << 10,
            { context, _, buffer, size in
                let client = Unmanaged<Client>.fromOpaque(context!).takeUnretainedValue()
                return client.channel.read(client, buffer!, size)
            }, Unmanaged.passRetained(client).toOpaque(),
            { context in
                let client = Unmanaged<Client>.fromOpaque(context!).takeRetainedValue()
                client.channel.state.withLock { $0.clients[ObjectIdentifier(client)] = nil }
            })
        if made == nil { state.withLock { $0.clients[ObjectIdentifier(client)] = nil } }
        return made
    }

    private func read(_ client: Client, _ buffer: UnsafeMutablePointer<CChar>, _ size: Int) -> Int {
        state.withLock { _ in
            if client.hasEnded { return -1 }  // MHD_CONTENT_READER_END_OF_STREAM
            if client.given == client.current.count, let next = client.next {
                (client.current, client.given, client.next) = (next, 0, nil)
            }
            let count = min(size, client.current.count - client.given)
            guard count > 0 else {
                client.isSuspended = true
                taxi_MHD_suspend_connection(client.connection)
                return 0
            }
            client.current.withUnsafeBytes { bytes in
                UnsafeMutableRawPointer(buffer).copyMemory(from: bytes.baseAddress! + client.given, byteCount: count)
            }
            client.given += count
            return count
        }
    }
}
