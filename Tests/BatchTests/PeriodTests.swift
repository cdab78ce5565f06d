import Problems
import Testing
import Time
import Trips

@testable import Batch

@Suite struct PeriodTests {
    @Test(arguments: [
        ("2024-01", "2024-01-01", "2024-02-01", "2023-12", "2023-01"),
        ("2024-02", "2024-02-01", "2024-03-01", "2024-01", "2023-02"),
        ("2024-12", "2024-12-01", "2025-01-01", "2024-11", "2023-12"),
        ("2024-Q1", "2024-01-01", "2024-04-01", "2023-Q4", "2023-Q1"),
        ("2024-q4", "2024-10-01", "2025-01-01", "2024-Q3", "2023-Q4"),
        ("2024", "2024-01-01", "2025-01-01", "2023", "2023"),
    ])
    func knowsItsDaysAndNeighbours(text: String, first: String, end: String, previous: String, yearBefore: String)
        throws
    {
        let period = try Period(text)
        #expect(period.description == text.uppercased())
        #expect(Calendar.text(ofDay: period.days.lowerBound) == first)
        #expect(Calendar.text(ofDay: period.days.upperBound) == end)
        #expect(period.previous.description == previous)
        #expect(period.sameAYearBefore.description == yearBefore)
        #expect(period.previous.next == period)
        #expect(period.sameAYearBefore.sameAYearAfter == period)
        for day in [period.days.lowerBound, period.days.upperBound - 1] {
            #expect(Period(kind: period.kind, containingDay: day) == period)
        }
    }

    @Test(arguments: [
        ("2024-13", "\"13\" of period \"2024-13\" is not a month"),
        ("2024-0", "\"0\" of period \"2024-0\" is not a month"),
        ("2024-1", "\"1\" of period \"2024-1\" is not a month"),
        ("2024-Q5", "\"Q5\" of period \"2024-Q5\" is not a quarter"),
        ("2024-Q", "\"Q\" of period \"2024-Q\" is not a quarter"), ("24-01", "\"24-01\" is not a period"),
        ("2024-01-05", "\"2024-01-05\" is not a period"), ("1969", "the year of period \"1969\" is outside 1970…2200"),
        ("2024-", "\"\" of period \"2024-\" is not a month"),
        ("2024-٠١", "\"٠١\" of period \"2024-٠١\" is not a month"),
    ])
    func saysWhatIsWrong(text: String, message: String) throws {
        let problem = try #require(throws: Problem.self) { try PeriodSelection(text) }
        #expect(problem.code == .usage)
        #expect(problem.message == message)
    }

    @Test func suggestsTheNearestWord() throws {
        #expect(try PeriodSelection("LAST") == .last)
        #expect(try PeriodSelection("all") == .all)
        let problem = try #require(throws: Problem.self) { try PeriodSelection("lst") }
        #expect(problem.hint == "Did you mean \"last\"?")
        #expect(throws: Problem.self) { try PeriodSelection("") }
    }

    @Test func splitsIntoShorterPeriodsOnly() throws {
        #expect(try Period("2024").parts(.quarter)?.map(\.description) == ["2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"])
        #expect(try Period("2024-Q2").parts(.month)?.map(\.description) == ["2024-04", "2024-05", "2024-06"])
        #expect(try Period("2024-Q2").parts(.year) == nil)
        let selection = try PeriodSelection("2024-05")
        let problem = try #require(throws: Problem.self) {
            try selection.periods(.year, existing: [], reachedDay: nil)
        }
        #expect(problem.message == "period \"2024-05\" is shorter than a year")
    }

    @Test func lastIsThePeriodBeforeTheOneReached() throws {
        let newYear = Calendar.day(year: 2024, month: 1, day: 1)
        func last(_ kind: PeriodKind, reached day: Int) throws -> [String] {
            let first = Period(kind: kind, containingDay: newYear - 400).ordinal
            let existing = (first..<first + 30).map { Period(kind: kind, ordinal: $0) }
            return try PeriodSelection.last.periods(kind, existing: existing, reachedDay: day).map(\.description)
        }
        #expect(try last(.month, reached: newYear) == ["2023-12"])
        #expect(try last(.month, reached: newYear - 1) == ["2023-11"])
        #expect(try last(.quarter, reached: newYear) == ["2023-Q4"])
        #expect(try last(.year, reached: newYear + 200) == ["2023"])
        #expect(try PeriodSelection.last.periods(.year, existing: [], reachedDay: nil).isEmpty)
    }

    /// Periods without a trip do not exist: not in a gap, not before a year's first, and not as the newest that is over.
    @Test func onlyPeriodsThatExistAreSelected() throws {
        let months = try ["2019-11", "2020-02"].map { try Period($0) }
        func chosen(_ selection: PeriodSelection, reached day: Int? = nil) throws -> [String] {
            try selection.periods(.month, existing: months, reachedDay: day).map(\.description)
        }
        #expect(try chosen(.all) == ["2019-11", "2020-02"])
        #expect(try chosen(.one(Period("2020"))) == ["2020-02"])
        #expect(try chosen(.one(Period("2020-01"))).isEmpty)
        let february = Calendar.day(year: 2020, month: 2, day: 20)
        #expect(try chosen(.last, reached: february) == ["2019-11"])
        #expect(PeriodSelection.one(try Period("2020")).covers(try Period("2020-01")))
        #expect(!PeriodSelection.one(try Period("2020-Q1")).covers(try Period("2020")))
    }

    @Test func dayRangesMerge() throws {
        let ranges = Period.dayRanges(
            of: try ["2024-03", "2024", "2024-Q1", "2026-01", "2025-01"].map { try Period($0) })
        #expect(ranges.map { Calendar.text(ofDay: $0.lowerBound) } == ["2024-01-01", "2026-01-01"])
        #expect(ranges.map { Calendar.text(ofDay: $0.upperBound) } == ["2025-02-01", "2026-02-01"])
    }
}
