import CommandSupport
import Foundation
import Testing

/// A trip as the JSON lines of `produce --dry-run` tell it, read by Foundation: nothing of the program's own is used.
struct JSONTrip {
    /// ms UTC
    var timeMs: Int64
    /// Cents.
    var fare: Int64?
    var tips: Int64?
    var total: Int64?
    var area: Int64?
    var location: String?

    static func read(_ lines: Data) throws -> [JSONTrip] {
        let clock = ISO8601DateFormatter()
        clock.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        var times: [String: Int64] = [:]
        return try lines.split(separator: 0x0a).map { line in
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            let text = try #require(object["event_timestamp"] as? String)
            if times[text] == nil { times[text] = try #require(clock.date(from: text)).milliseconds }
            func cents(_ name: String) -> Int64? {
                // Exact: a double is within 10⁻⁹ of any amount that a taxi ever cost.
                (object[name] as? NSNumber).map { Int64(($0.doubleValue * 100).rounded()) }
            }
            return JSONTrip(
                timeMs: times[text, default: 0], fare: cents("fare"), tips: cents("tips"), total: cents("trip_total"),
                area: (object["pickup_community_area"] as? NSNumber)?.int64Value,
                location: object["pickup_centroid_location"] as? String)
        }
    }
}

extension Date {
    var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1000).rounded()) }
    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}

/// Chicago's clock and calendar, by Foundation.
final class Chicago {
    private let calendar: Calendar
    private let formatter = DateFormatter()
    private var texts: [Int64: String] = [:]
    private var days: [Int64: Day] = [:]

    struct Day: Hashable {
        var year: Int
        var month: Int
        var day: Int
        var text: String { String(format: "%04d-%02d-%02d", year, month, day) }
    }

    init() {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: "America/Chicago")!
        self.calendar = calendar
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = calendar.timeZone
        formatter.dateFormat = "yyyy-MM-dd'T'HH:mm:ss.SSSxxx"
    }

    func iso(_ ms: Int64) -> String {
        if let text = texts[ms] { return text }
        let text = formatter.string(from: Date(milliseconds: ms))
        texts[ms] = text
        return text
    }

    func hour(_ ms: Int64) -> Int { calendar.component(.hour, from: Date(milliseconds: ms)) }

    func day(_ ms: Int64) -> Day {
        if let day = days[ms] { return day }
        let parts = calendar.dateComponents([.year, .month, .day], from: Date(milliseconds: ms))
        let day = Day(year: parts.year!, month: parts.month!, day: parts.day!)
        days[ms] = day
        return day
    }

    /// The first instant of a month, counted from 1; 13 is January of the next year.
    func start(ofMonth month: Int, of year: Int) -> Int64 {
        calendar.date(from: DateComponents(year: year, month: month, day: 1))!.milliseconds
    }
}
