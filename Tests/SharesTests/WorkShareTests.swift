import Foundation
import Glibc
import Problems
import Shares
import Synchronization
import Testing

@Suite struct WorkShareTests {
    private func pair() throws -> (Int32, Int32) {
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
        return (pair[0], pair[1])
    }

    /// The next packet; fails where none comes within half a minute.
    private func packet(_ socket: Int32) throws -> [String] {
        var wanted = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        try #require(poll(&wanted, 1, 30_000) == 1)
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(socket, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ").map(String.init)
    }

    @Test func withoutServeNothingIsWaitedFor() throws {
        let share = WorkShare()
        share.ready()
        share.begin(slots: 4)
        share.endQuantum()
        share.rest()
        share.took(1_000_000)
        #expect(share.waitMs() == 0 && share.atOnce == .max)
        try share.requireDisk()
    }

    @Test func aTurnIsAskedForOnceAQuantumAndGivenBack() throws {
        let (serve, own) = try pair()
        defer { close(serve) }
        let share = WorkShare(channel: own)
        share.ready()
        share.ready()
        #expect(try packet(serve) == ["ready"])
        // The answer lies there before it is asked for.
        for _ in 0..<2 { #expect(send(serve, "go", 2, 0) == 2) }
        share.begin(slots: 3)
        share.begin(slots: 3)
        #expect(try packet(serve).prefix(2) == ["ask", "3"])
        share.endQuantum()
        share.begin(slots: 2)
        #expect(try packet(serve).prefix(2) == ["ask", "2"])
        share.rest()
        share.rest()
        #expect(try packet(serve).first == "rest")
        share.listens(at: "http://127.0.0.1:1/")
        #expect(try packet(serve) == ["at", "http://127.0.0.1:1/"])
    }

    @Test func aServeThatDiesHoldsNobodyUp() throws {
        let (serve, own) = try pair()
        let share = WorkShare(channel: own)
        let closer = Thread {
            // Asked, and never answered.
            _ = try? self.packet(serve)
            close(serve)
        }
        closer.start()
        share.begin(slots: 1)
        share.begin(slots: 1)
        #expect(!share.isShared)
    }

    @Test func aWaitEndsWhereTheProcessIsToStop() throws {
        let (serve, own) = try pair()
        defer { close(serve) }
        let share = WorkShare(channel: own)
        share.attend { true }
        share.begin(slots: 1)
        #expect(try packet(serve).first == "ask")
    }

    @Test func aLimitIsShownWhileItHolds() throws {
        let (serve, own) = try pair()
        defer { close(serve) }
        let share = WorkShare(channel: own, recordsPerSecond: 5000)
        #expect(share.atOnce == 250)
        share.took(50_000)
        #expect(share.waitMs() > 5_000)
        #expect(try packet(serve) == ["limited", "5000/s"])
    }

    @Test func aFullShareOfTheDiskIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/shares-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/live", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(count: 1_000_000).write(to: URL(fileURLWithPath: folder + "/live/x"))
        #expect(DiskUse.bytes(in: folder) >= 1_000_000)
        try WorkShare(diskBytes: 2_000_000, folder: folder).requireDisk()
        let problem = #expect(throws: Problem.self) {
            try WorkShare(diskBytes: 900_000, folder: folder).requireDisk()
        }
        #expect(problem?.code == .tryAgain)
        #expect(DiskUse.text(20_000_000_000) == "20 GB" && DiskUse.text(1_500) == "1.5 kB" && DiskUse.text(7) == "7 B")
    }
}

/// What computes for long asks for short turns, on whichever thread.
@Suite struct ComputingTests {
    private final class Server: Sendable {
        let own: Int32
        private let server: Int32
        private let heard = Mutex<[String]>([])
        private let open = Atomic(true)
        var words: [String] { heard.withLock { $0 } }

        init() throws {
            var pair: [Int32] = [-1, -1]
            try #require(
                socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
            (server, own) = (pair[0], pair[1])
            let thread = Thread { [self] in
                var bytes = [UInt8](repeating: 0, count: 256)
                while true {
                    let count = recv(server, &bytes, bytes.count, 0)
                    guard count > 0 else { break }
                    let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").map(String.init)
                    heard.withLock { $0.append(words.dropLast(words.count > 1 ? 1 : 0).joined(separator: " ")) }
                    if words.first == "short" || words.first == "ask" { _ = send(server, "go", 2, Int32(MSG_NOSIGNAL)) }
                }
                close(server)
            }
            thread.start()
        }

        /// What was heard, when it is all of this; fails within half a minute.
        func expect(_ isAll: ([String]) -> Bool) throws {
            let deadline = ContinuousClock.now + .seconds(30)
            while !isAll(words), ContinuousClock.now < deadline { usleep(1000) }
            try #require(isAll(words), "\(words)")
        }
    }

    @Test func aTurnIsAskedForAndAgainAfterAQuantum() throws {
        let server = try Server()
        let share = WorkShare(channel: server.own)
        // Outside nothing is asked.
        share.pace()
        let result = share.computing {
            while server.words.filter({ $0 == "short 1" }).count < 3 { share.pace() }
            return 7
        }
        #expect(result == 7)
        try server.expect { $0.last == "rest" && $0.dropLast().allSatisfy { $0 == "short 1" } }
        close(server.own)
    }

    @Test func threadsHaveOneTurnTogether() throws {
        let server = try Server()
        let share = WorkShare(channel: server.own)
        let group = DispatchGroup()
        for _ in 0..<3 {
            group.enter()
            let thread = Thread {
                share.computing {
                    // Each goes on until all three are seen in one turn.
                    while !server.words.contains("short 3") { share.pace() }
                }
                group.leave()
            }
            thread.start()
        }
        #expect(group.wait(timeout: .now() + 30) == .success)
        try server.expect { $0.last == "rest" && $0.filter { $0 == "rest" }.count == 1 }
        share.countPrograms()
        try server.expect { $0.last == "used" }
        close(server.own)
    }

    @Test func withoutServeItJustComputes() {
        let share = WorkShare()
        share.computing { share.pace() }
        share.countPrograms()
    }
}
