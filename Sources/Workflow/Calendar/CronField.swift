internal import Problems

/// One of the five fields: which values it may have and what they are called.
struct CronField: Sendable {
    let name: String
    let range: ClosedRange<Int>
    /// Names of the values from the range's lower bound on; empty where there are none.
    let names: [String]

    static let all = [
        CronField(name: "minute", range: 0...59, names: []),
        CronField(name: "hour", range: 0...23, names: []),
        CronField(name: "day of month", range: 1...31, names: []),
        CronField(
            name: "month", range: 1...12,
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        CronField(name: "day of week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ]

    /// The values that a text such as `1-5,*/10,SAT` stands for, one bit each.
    func parse(_ text: String) throws(Cron.Mistake) -> UInt64 {
        var (set, offset): (UInt64, Int) = (0, 0)
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            set |= try values(of: String(part), at: offset)
            offset += part.utf8.count + 1
        }
        return set
    }

    private func values(of part: String, at offset: Int) throws(Cron.Mistake) -> UInt64 {
        let halves = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let step = try halves.count == 2 ? self.step(halves[1], at: offset + halves[0].utf8.count + 1) : 1
        let bounds: ClosedRange<Int>
        if halves[0] == "*" {
            // Sunday once: with 7 as well a step would count it twice.
            bounds = range.lowerBound...(range.upperBound == 7 ? 6 : range.upperBound)
        } else {
            let ends = halves[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let low = try value(ends[0], at: offset)
            if ends.count == 2 {
                var high = try value(ends[1], at: offset + ends[0].utf8.count + 1)
                if range.upperBound == 7, high == 0, low > 0 { high = 7 }
                guard low <= high else {
                    throw Cron.Mistake(
                        message: "the range \"\(halves[0])\" of the \(name) goes backwards", offset: offset,
                        hint: "Write two ranges with a comma between them, such as 22-23,0-2.")
                }
                bounds = low...high
            } else {
                // `5/15` begins at 5 and goes on to the end of the range.
                bounds = low...(halves.count == 2 ? max(low, range.upperBound == 7 ? 6 : range.upperBound) : low)
            }
        }
        return stride(from: bounds.lowerBound, through: bounds.upperBound, by: step).reduce(0) { $0 | 1 << UInt64($1) }
    }

    private func step(_ text: String, at offset: Int) throws(Cron.Mistake) -> Int {
        guard let step = Self.number(text), step > 0, step <= range.upperBound + 1 else {
            throw Cron.Mistake(
                message: "\"\(text)\" is no step of a \(name)", offset: offset,
                hint: "Write a number from 1 to \(range.upperBound + 1).")
        }
        return step
    }

    private func value(_ text: String, at offset: Int) throws(Cron.Mistake) -> Int {
        if let number = Self.number(text) {
            guard range.contains(number) else {
                throw Cron.Mistake(
                    message: "\(number) is no \(name)", offset: offset,
                    hint: "Write \(range.lowerBound) to \(range.upperBound).")
            }
            return number
        }
        if let index = names.firstIndex(of: text.lowercased()) { return range.lowerBound + index }
        let near = nearestName(to: text, among: names).map { "Did you mean \"\($0)\"?" }
        throw Cron.Mistake(
            message: "\"\(text)\" is no \(name)", offset: offset,
            hint: near ?? "Write \(range.lowerBound) to \(range.upperBound)\(names.isEmpty ? "" : ", or a name").")
    }

    /// Digits only; `Int` would take a sign as well.
    private static func number(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }
}
