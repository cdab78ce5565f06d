import Problems
import Testing

@testable import CommandLine

struct ValueTextTests {
    @Test(
        arguments: [
            ("50ms", 50), ("5s", 5000), ("1m30s", 90_000), ("2h", 7_200_000), ("7d", 604_800_000), ("1.5h", 5_400_000),
            ("0", 0),
            ("1d2h3m4s5ms", 93_784_005),
        ] as [(String, Int64)])
    func `durations are milliseconds`(text: String, ms: Int64) throws {
        #expect(try ValueText.durationMs(text) == ms)
    }

    @Test(arguments: [
        "", "5", "s", "5 s", "-5s", "5x", "5s1m", "5s5s", "0.5ms", "1e3s", "infs", "99999999999999999999d", "5µs",
    ])
    func `what is no duration is refused with a way to write one`(text: String) {
        let problem = #expect(throws: Problem.self) { try ValueText.durationMs(text) }
        #expect(problem?.code == .usage)
        #expect(problem?.hint?.contains("1m30s") == true)
    }

    @Test(
        arguments: [
            ("1000/s", 1000), ("1000", 1000), ("10/m", 10.0 / 60), ("0.5/s", 0.5), ("10k/s", 10_000), ("3600/h", 1),
            ("1_000", 1000),
        ] as [(String, Double)])
    func `rates are records a second`(text: String, rate: Double) throws {
        #expect(try ValueText.rate(text) == rate)
    }

    @Test(arguments: ["0", "0/s", "-1", "1/d", "fast", "1//s", "/s", "", "nan", "1e9"])
    func `what is no rate is refused`(text: String) {
        #expect(throws: Problem.self) { try ValueText.rate(text) }
    }

    @Test(arguments: [("60x", 60), ("0.5x", 0.5), ("2", 2)] as [(String, Double)])
    func `speeds may carry an x`(text: String, speed: Double) throws {
        #expect(try ValueText.speed(text) == speed)
    }

    @Test(arguments: [
        "0x", "-1x", "1e3x", "x", "1000000001x", "99999999999999999999", "\(String(repeating: "9", count: 305))M",
    ])
    func `what is no speed is refused`(text: String) {
        #expect(throws: Problem.self) { try ValueText.speed(text) }
        #expect(throws: Problem.self) { try ValueKind.number(0...1).read(text) }
    }

    @Test(arguments: [("1%", 0.01), ("0.01", 0.01), ("100%", 1), ("0", 0), ("0.1%", 0.001)] as [(String, Double)])
    func `shares lie between 0 and 1`(text: String, share: Double) throws {
        #expect(try ValueText.share(text) == share)
    }

    @Test func `a bare 5 is not taken for five hundred percent`() {
        let problem = #expect(throws: Problem.self) { try ValueText.share("5") }
        #expect(problem?.hint?.contains("5%") == true)
        #expect(throws: Problem.self) { try ValueText.share("101%") }
    }

    @Test(
        arguments: [
            ("512", 512), ("64K", 65_536), ("64k", 65_536), ("4GiB", 4 << 30), ("10MB", 10_000_000), ("1.5K", 1536),
            ("7B", 7),
            ("1T", 1 << 40),
        ] as [(String, Int64)])
    func `sizes are bytes`(text: String, bytes: Int64) throws {
        #expect(try ValueText.sizeBytes(text) == bytes)
    }

    @Test(arguments: ["", "K", "1X", "1.3", "1KiBB", "-1", "9999999T"])
    func `what is no size is refused`(text: String) {
        #expect(throws: Problem.self) { try ValueText.sizeBytes(text) }
    }

    @Test(
        arguments: [
            ("0", 0), ("1_000_000", 1_000_000), ("10k", 10_000), ("2M", 2_000_000), ("-5", -5), ("+5", 5),
            ("1G", 1_000_000_000),
        ] as [(String, Int64)])
    func `integers may be grouped and shortened`(text: String, number: Int64) throws {
        #expect(try ValueText.integer(text) == number)
    }

    @Test(arguments: ["", "k", "1.5", "_1", "1__0", "1_", "0x10", "9223372036854775808", "9223372036854775807k", "٣"])
    func `what is no integer is refused`(text: String) {
        #expect(throws: Problem.self) { try ValueText.integer(text) }
    }

    @Test func `ranges and choices say what would do`() {
        let low = #expect(throws: Problem.self) { try ValueKind.positive.read("0") }
        #expect(low?.hint == "Write a number of at least 1.")
        let between = #expect(throws: Problem.self) { try ValueKind.integer(1...77).read("78") }
        #expect(between?.hint == "Write a number from 1 to 77.")
        let choice = #expect(throws: Problem.self) { try ValueKind.choice(["now", "start", "end"]).read("strat") }
        #expect(choice?.hint == "Did you mean \"start\"? One of: now, start, end.")
    }
}

struct TimeTextTests {
    /// A zone six hours behind UTC.
    private func zone(_ wallSeconds: Int64) -> Int64 { (wallSeconds + 6 * 3600) * 1000 }

    @Test(
        arguments: [
            ("1970-01-01", 21_600_000), ("2024-01-22", 1_705_903_200_000), ("2024-01-22T13:45", 1_705_952_700_000),
            ("2024-01-22 13:45:10", 1_705_952_710_000), ("2024-01-22T13:45:10.250", 1_705_952_710_250),
            ("2024-01-22T13:45Z", 1_705_931_100_000), ("2024-01-22T13:45:00-06:00", 1_705_952_700_000),
            ("2024-01-22T13:45:00+0530", 1_705_911_300_000), ("2024-02-29", 1_709_186_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] as [(String, Int64)])
    func `times are milliseconds of UTC`(text: String, ms: Int64) throws {
        #expect(try TimeText(text).utcMs(zone: zone) == ms)
    }

    @Test(arguments: [
        "", "yesterday", "2024-1-2", "2024-02-30", "2023-02-29", "2024-13-01", "2024-01-22T24:00", "2024-01-22T10",
        "2024-01-22T10:00:60", "2024-01-22T10:00:00.5", "2024-01-22T10:00+25:00", "2024-01-22x", "0000-01-01",
    ])
    func `what is no time is refused`(text: String) {
        let problem = #expect(throws: Problem.self) { try TimeText(text) }
        #expect(problem?.hint != nil)
    }

    @Test func `day numbers agree with counting days one by one`() {
        var (year, month, day) = (Int64(1999), Int64(1), Int64(1))
        var expected = TimeText.days(toYear: year, month: month, day: day)
        let lengths: [Int64] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        while year < 2102 {
            #expect(TimeText.days(toYear: year, month: month, day: day) == expected)
            expected += 1
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            day += 1
            if day > lengths[Int(month) - 1] + (month == 2 && isLeap ? 1 : 0) { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(TimeText.days(toYear: 1970, month: 1, day: 1) == 0)
    }
}
