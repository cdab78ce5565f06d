import Foundation
import Glibc
import Synchronization

/// Stands before a broker and shows its clients only the requests, and the versions of them, that Kafka 2.8 knew.
///
/// All bytes pass as they are but for the answers to ApiVersions (KIP-35). The broker must advertise `servers` in place of its own
/// address, or clients would go to it from the second connection on.
public final class KafkaVersionProxy: Sendable {
    /// `host:port` of the proxy.
    public let servers: String
    private let listener: Int32
    private let state = State()

    /// Listens on a free port; connections are refused until `forward(to:)` has said where they go.
    public init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isListening else { throw KafkaBrokerFailure(description: String(cString: strerror(errno))) }
        servers = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        self.listener = listener
        Thread { [state] in
            while case let client = accept(listener, nil, nil), client >= 0 { state.serve(client) }
            close(listener)
        }.start()
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Passes on to the broker at `host:port`.
    public func forward(to servers: String) {
        state.port.withLock { $0 = servers.split(separator: ":").last.flatMap { UInt16($0) } }
    }

    /// The newest version of each request that came, by Kafka's number of the request.
    public var requestedVersions: [Int: Int] { state.requested.withLock { $0 } }

    /// The newest version of each request that clients of Kafka 2.8 may send, by the request's number.
    ///
    /// Source: "validVersions" in clients/src/main/resources/common/message of Apache Kafka 2.8.
    public static let newest: [Int: Int] = [
        0: 9, 1: 12, 2: 6, 3: 11, 8: 8, 9: 7, 10: 3, 11: 7, 12: 4, 13: 4, 14: 5, 15: 5, 16: 4, 17: 1, 18: 3, 19: 7,
        20: 6, 21: 2, 22: 4, 23: 4, 24: 3, 25: 3, 26: 3, 27: 1, 28: 3, 29: 2, 30: 2, 31: 2, 32: 4, 33: 2, 34: 2, 35: 2,
        36: 2, 37: 3, 42: 2, 43: 2, 44: 1, 45: 0, 46: 0, 47: 0, 60: 0,
    ]
}

private final class State: Sendable {
    let port = Mutex<UInt16?>(nil)
    let requested = Mutex<[Int: Int]>([:])

    func serve(_ client: Int32) {
        let broker = port.withLock { $0 }.map(connection(to:)) ?? -1
        guard broker >= 0 else {
            close(client)
            return
        }
        // Versions of the questions for versions that are not answered yet, by correlation id.
        let asked = Asked()
        let ends = Ends(client, broker)
        Thread { [self] in
            ends.pass(from: client, to: broker) { frame in
                let (key, version) = (Int(frame.int16(at: 0)), Int(frame.int16(at: 2)))
                requested.withLock { $0[key] = max($0[key] ?? 0, version) }
                if key == 18 { asked.versions.withLock { $0[frame.int32(at: 4)] = version } }
                return frame
            }
        }.start()
        Thread {
            ends.pass(from: broker, to: client) { frame in
                guard let version = asked.versions.withLock({ $0.removeValue(forKey: frame.int32(at: 0)) }) else {
                    return frame
                }
                return capped(frame, version: version)
            }
        }.start()
    }
}

private final class Asked: Sendable {
    let versions = Mutex<[Int32: Int]>([:])
}

/// Two sockets of which each passes to the other what comes, until one of them ends.
private final class Ends: Sendable {
    private let sockets: [Int32]

    init(_ first: Int32, _ second: Int32) { sockets = [first, second] }
    /// When both directions have ended, and nobody uses the numbers any more.
    deinit { for socket in sockets { close(socket) } }

    func pass(from source: Int32, to target: Int32, _ change: ([UInt8]) -> [UInt8]) {
        defer { for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) } }
        while let head = receive(source, count: 4), let frame = receive(source, count: Int(head.int32(at: 0))) {
            let changed = change(frame)
            guard send(target, Int32(changed.count).bytes + changed) else { return }
        }
    }

    private func receive(_ socket: Int32, count: Int) -> [UInt8]? {
        var (bytes, filled) = ([UInt8](repeating: 0, count: count), 0)
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { recv(socket, $0.baseAddress! + filled, count - filled, 0) }
            guard got > 0 else { return nil }
            filled += got
        }
        return bytes
    }

    private func send(_ socket: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let put = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard put > 0 else { return false }
            sent += put
        }
        return true
    }
}

/// An answer to ApiVersions without what Kafka 2.8 did not know.
///
///     correlation id int32, error int16, requests, throttle time int32 (from version 1 on), tagged fields (from 3 on)
///     requests: count int32, or from version 3 on count + 1 as varint; each: number int16, oldest int16, newest int16, tagged fields (from 3 on)
private func capped(_ frame: [UInt8], version: Int) -> [UInt8] {
    let isFlexible = version >= 3
    var place = 6
    let count = isFlexible ? frame.varint(&place) - 1 : Int(frame.int32(at: 6))
    if !isFlexible { place += 4 }
    var entries: [[UInt8]] = []
    for _ in 0..<count {
        let (key, oldest, newest) = (frame.int16(at: place), frame.int16(at: place + 2), frame.int16(at: place + 4))
        place += 6
        // Requests have no tagged fields here.
        if isFlexible { place += 1 }
        guard let cap = KafkaVersionProxy.newest[Int(key)].map({ Int16($0) }), cap >= oldest else { continue }
        entries.append(key.bytes + oldest.bytes + min(newest, cap).bytes + (isFlexible ? [0] : []))
    }
    // Fewer than 127 fit into one byte of a varint.
    var answer = [UInt8](frame[..<6])
    answer += isFlexible ? [UInt8(entries.count + 1)] : Int32(entries.count).bytes
    for entry in entries { answer += entry }
    if version >= 1 { answer += frame[place..<place + 4] }
    if isFlexible { answer.append(0) }
    return answer
}

private func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
}

/// A connected socket, or -1.
private func connection(to port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    if isConnected { return descriptor }
    close(descriptor)
    return -1
}

extension [UInt8] {
    fileprivate func int16(at place: Int) -> Int16 { Int16(self[place]) << 8 | Int16(self[place + 1]) }
    fileprivate func int32(at place: Int) -> Int32 {
        self[place..<place + 4].reduce(0) { $0 << 8 | Int32($1) }
    }
    fileprivate func varint(_ place: inout Int) -> Int {
        var (value, shift) = (0, 0)
        repeat {
            value |= Int(self[place] & 0x7f) << shift
            (place, shift) = (place + 1, shift + 7)
        } while self[place - 1] & 0x80 != 0
        return value
    }
}

extension FixedWidthInteger {
    /// Most significant first.
    fileprivate var bytes: [UInt8] { withUnsafeBytes(of: bigEndian) { [UInt8]($0) } }
}
