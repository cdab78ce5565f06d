import Database
import Foundation
import Glibc
import Shares
import Synchronization
import Testing
import Time
import Trips

@testable import Stream

/// A stream that waits for its turns, under a clock that goes on only while it waits.
@Suite struct StreamTurnsTests {
    /// Gives each turn that is asked for after ten seconds of the clock, until the stream is gone; counts them.
    private static func serve(_ socket: Int32, _ clock: ManualClock, _ turns: borrowing Atomic<Int>) {
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            let count = recv(socket, &bytes, bytes.count, 0)
            guard count > 0 else {
                close(socket)
                return
            }
            guard String(decoding: bytes[..<count], as: UTF8.self).hasPrefix("ask ") else { continue }
            turns.add(1, ordering: .sequentiallyConsistent)
            clock.advance(byNs: 10_000_000_000)
            _ = send(socket, "go", 2, Int32(MSG_NOSIGNAL))
        }
    }

    @Test("an epoch has its size however long its turn was waited for", arguments: [1, 2])
    func aWaitCutsNoEpochShort(_ workers: Int) throws {
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
        let (server, own) = (pair[0], pair[1])
        let tenant = try StoredStream(partitions: 2)
        for batch in 0..<40 {
            try tenant.produce((0..<50).map { EventTime(batch * 50 + $0) * 1000 }, partition: batch % 2)
        }
        let clock = ManualClock(startMs: origin + 3_600_000)
        var options = StreamOptions(tenant: "chicago", zone: try ZoneClock(identifier: "America/Chicago"))
        (options.untilEnd, options.workers, options.epochMs, options.epochRecords) = (true, workers, 50, 500)
        let runner = StreamRunner(
            plans: try plans("  - {name: perMinute, window: {tumbling: 1m}, aggregates: {n: count()}}\n"),
            options: options, database: tenant.database, store: tenant.store, source: .topic(tenant.topic),
            runID: try tenant.log.begin("stream", at: 1), clock: clock)
        runner.share = WorkShare(channel: own)
        let turns = Turns()
        let thread = Thread { Self.serve(server, clock, turns.count) }
        thread.start()
        let summary = try runner.run()
        close(own)
        // A turn an epoch, and not one for each of the 40 batches.
        #expect(summary.records == 2000 && summary.epochs == 4)
        #expect(turns.count.load(ordering: .sequentiallyConsistent) == 4)
    }

    private final class Turns: Sendable { let count = Atomic(0) }
}
