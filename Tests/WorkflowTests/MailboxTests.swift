import Synchronization
import Testing

@testable import Workflow

/// How the driver waits for steps: no longer than it looks at once, whatever becomes of the clock.
@Suite struct MailboxTests {
    /// Shows some instants, one each time it is asked, and then the last of them for ever.
    private final class Clock: Sendable {
        private let instants: Mutex<[ContinuousClock.Instant]>
        private let asked = Mutex(0)
        var timesAsked: Int { asked.withLock { $0 } }

        init(_ instants: [ContinuousClock.Instant]) { self.instants = Mutex(instants) }

        func now() -> ContinuousClock.Instant {
            asked.withLock { $0 += 1 }
            return instants.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
    }

    private static let start = ContinuousClock.now

    //  until                      |
    //  shown    | first           |            then, for ever: a day before
    @Test(.timeLimit(.minutes(1))) func aClockThatGoesBackDoesNotMakeAWaitLonger() {
        let clock = Clock([Self.start - .milliseconds(1), Self.start - .seconds(86_400)])
        let mail = Mailbox(longestWaitMs: 5, now: clock.now)
        // The wait that was nearly over is over after the longest one: whoever waits looks by the new time what is due.
        #expect(mail.wait(until: Self.start).isEmpty)
        #expect(clock.timesAsked == 2)
    }

    @Test(.timeLimit(.minutes(1))) func aWaitForWhatLiesFarAheadIsCut() {
        let clock = Clock([Self.start])
        #expect(Mailbox(longestWaitMs: 5, now: clock.now).wait(until: Self.start + .seconds(86_400)).isEmpty)
        #expect(clock.timesAsked == 1)
    }

    @Test(.timeLimit(.minutes(1))) func whatIsOverIsNotWaitedFor() {
        // With a longest wait that no test would live to see.
        let mail = Mailbox(longestWaitMs: .max / 2, now: Clock([Self.start]).now)
        #expect(mail.wait(until: Self.start).isEmpty)
        #expect(mail.wait(until: Self.start - .seconds(86_400)).isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func anEndIsGivenAtOnceWhateverTheClockShows() {
        let mail = Mailbox(longestWaitMs: .max / 2, now: Clock([Self.start - .seconds(86_400)]).now)
        mail.send(.init(runID: "r", step: "s", attempt: 1, what: .started(pid: 7)))
        mail.send(.init(runID: "r", step: "s", attempt: 1, what: .ended(AttemptEnd(state: .success))))
        #expect(mail.wait(until: Self.start).map(\.isEnd) == [false, true])
        #expect(mail.wait(until: Self.start - .seconds(90_000)).isEmpty)
    }
}
