/// How times of a column (`2024-04-13T08:15:00.000-05:00`) are written where there is no room for all of one: first without the offset,
/// then without what is zero in all of them; thousandths of seconds go as well, since no row is told from another by these alone.
struct ShortTimes {
    /// Characters that are left.
    let length: Int
    /// What has to stand at these places in all times of a column; nil where nothing has to.
    private let zeros: (range: Range<Int>, text: String)?

    static let steps = [
        ShortTimes(length: 23, zeros: nil),
        ShortTimes(length: 19, zeros: (19..<23, ".000")),
        ShortTimes(length: 16, zeros: (16..<19, ":00")),
        ShortTimes(length: 19, zeros: nil),
    ]

    /// Whether a column holds times alone, blanks aside.
    static func areTimes(_ cells: some Sequence<String>) -> Bool {
        var hasOne = false
        for cell in cells where !cell.isEmpty {
            guard isTime(cell) else { return false }
            hasOne = true
        }
        return hasOne
    }

    private static func isTime(_ cell: String) -> Bool {
        let form = "dddd-dd-ddTdd:dd:dd.ddd"
        guard cell.utf8.count == 29 || cell.utf8.count == 24 else { return false }
        return zip(cell.utf8, form.utf8).allSatisfy { byte, wanted in
            wanted == UInt8(ascii: "d") ? (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) : byte == wanted
        }
    }

    /// Whether it may be taken for a column of these times.
    func loses(nothing cells: some Sequence<String>) -> Bool {
        guard let zeros else { return true }
        return cells.allSatisfy { cell in
            cell.isEmpty
                || cell.utf8.count == zeros.range.upperBound
                    && cell.utf8.dropFirst(zeros.range.lowerBound).prefix(zeros.range.count).elementsEqual(
                        zeros.text.utf8)
        }
    }
}
