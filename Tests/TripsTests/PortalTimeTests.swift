import Testing

import Time
@testable import Trips

/// Times as the City's export writes them, against their text.
@Suite struct PortalTimeTests {
    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    private static func parsed(_ text: String) -> Int64 {
        Array(text.utf8).withUnsafeBufferPointer { WallTime.parse($0.baseAddress!, $0.count) }
    }

    @Test("each day and each hour means what it says", arguments: [2000, 2023, 2024, 2099, 2100])
    func meansWhatItSays(year: Int) {
        for month in 1...12 {
            for day in 1...Calendar.days(in: month, of: year) {
                for hour in 0...23 {
                    let (minute, second) = ((day * 7 + hour) % 60, (month * 5 + hour) % 60)
                    let date = "\(Self.padded(month))/\(Self.padded(day))/\(year)"
                    let time = [hour % 12 == 0 ? 12 : hour % 12, minute, second].map(Self.padded).joined(separator: ":")
                    let text = "\(date) \(time) \(hour < 12 ? "AM" : "PM")"
                    let cell = WallTime(cell: Self.parsed(text))
                    let seconds = Calendar.day(year: year, month: month, day: day) * 86400
                    guard cell.seconds == Int64(seconds + hour * 3600 + minute * 60 + second), cell.text == text else {
                        Issue.record("\(text) is \(cell.text), \(cell.seconds)")
                        return
                    }
                }
            }
        }
    }

    @Test("another byte anywhere gives another time, or none", arguments: 0..<22)
    func otherBytes(place: Int) {
        for good in ["01/19/2024 05:00:00 PM", "12/28/2099 12:59:59 AM", "02/29/2023 10:20:30 PM"] {
            for byte in UInt8(0)...255 {
                var bytes = Array(good.utf8)
                bytes[place] = byte
                let cell = bytes.withUnsafeBufferPointer { WallTime.parse($0.baseAddress!, $0.count) }
                if cell > WallTime.outOfRange {
                    let text = String(decoding: bytes, as: UTF8.self)
                    #expect(WallTime(cell: cell).text == text.uppercased())
                }
            }
        }
    }
}
