import Basics
import Problems
import SQLite
import Testing
import Time
import Trips

@testable import Batch

/// The steps `batch: extract` and `batch: preprocess` of workflows.
@Suite struct PreparationTests {
    private let january = Calendar.day(year: 2024, month: 1, day: 10)
    private let february = Calendar.day(year: 2024, month: 2, day: 3)

    private func stored(on days: [Int], _ count: Int = 100) throws -> StoredTrips {
        let stored = try StoredTrips()
        var random = SplitMix64(seed: 5)
        for day in days { try stored.add(RawTrip.random(count, on: [day], zone: stored.zone, using: &random)) }
        return stored
    }

    @Test func countsTheTripsOfAPeriodThatIsWhole() throws {
        let stored = try stored(on: [january, january + 1, february])
        #expect(try stored.runner().extract(periods: .one(Period("2024-01"))) == 200)
        #expect(try stored.runner().extract(periods: .last) == 200)
        #expect(try stored.runner().extract(periods: .all) == 300)
    }

    @Test func saysWhatIsMissing() throws {
        let empty = try StoredTrips()
        let nothing = #expect(throws: Problem.self) { try empty.runner().extract(periods: .all) }
        #expect(nothing?.code == .noInput)
        let stored = try stored(on: [january, february])
        let other = #expect(throws: Problem.self) { try stored.runner().extract(periods: .one(Period("2023-05"))) }
        #expect(other?.code == .noInput)
        #expect(other?.message == "no trips are stored for 2023-05")
        let partial = #expect(throws: Problem.self) { try stored.runner().extract(periods: .one(Period("2024-02"))) }
        #expect(partial?.code == .tryAgain)
        let none = try Connection(path: ":memory:")
        let tableless = #expect(throws: Problem.self) {
            try BatchRunner(connection: none, zone: stored.zone).preprocess(periods: .all)
        }
        #expect(tableless?.code == .noInput)
    }

    /// What is rolled up before need not be rolled up again, and gives the same analyses.
    @Test func rollsDaysUpOnce() throws {
        let stored = try stored(on: [january, january + 1, february])
        // The two days with trips: there are no others.
        #expect(try stored.runner().preprocess(periods: .one(Period("2024-01"))) == 2)
        #expect(try stored.runner().preprocess(periods: .one(Period("2024-01"))) == 2)
        let summary = try stored.runner().run(periods: .one(Period("2024-01")))
        #expect(summary.daysRolledUp == 0)
        let dump = try stored.dump()
        let fresh = try self.stored(on: [january, january + 1, february])
        _ = try fresh.runner().run(periods: .one(Period("2024-01")))
        #expect(try fresh.dump() == dump)
    }
}
