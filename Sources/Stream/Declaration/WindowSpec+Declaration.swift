import Basics
import Problems
import Time
import Trips
import YAML

extension WindowSpec {
    /// A record lies in this many sliding windows at most: each of them costs.
    private static let maximumOverlap: Int64 = 1440
    private static let maximumSizeMs: Int64 = 366 * 86_400_000

    /// `{tumbling: 5s}`, `{tumbling: day}`, `{sliding: 1h, every: 15m}` or `none`.
    init(_ node: YAMLNode) throws(Problem) {
        if node.isNull || node.scalar == "none" {
            self = .none
            return
        }
        guard case .mapping = node.content else {
            throw node.unexpected(
                "a window", hint: "Write {tumbling: 5s}, {tumbling: day}, {sliding: 1h, every: 15m} or none.")
        }
        try node.requireOnly(keys: ["tumbling", "sliding", "every"], of: "window")
        switch (node["tumbling"], node["sliding"], node["every"]) {
        case (let size?, nil, nil): self = size.scalar == "day" ? .localDay : .tumbling(sizeMs: try Self.ms(size))
        case (nil, let size?, let every?): self = try Self.sliding(size, every)
        case (nil, let size?, nil):
            throw size.problem("a sliding window needs \"every\"", hint: "Write {sliding: 1h, every: 15m}.")
        case (_?, nil, let every?):
            throw every.problem("a tumbling window has no \"every\"", hint: "Write {sliding: 1h, every: 15m}.")
        case (_?, let size?, _): throw size.problem("a window is either tumbling or sliding")
        case (nil, nil, _): throw node.problem("expected \"tumbling\" or \"sliding\" in the window")
        }
    }

    private static func sliding(_ size: YAMLNode, _ every: YAMLNode) throws(Problem) -> WindowSpec {
        let (sizeMs, everyMs) = (try ms(size), try ms(every))
        guard everyMs <= sizeMs, sizeMs % everyMs == 0 else {
            throw every.problem(
                "the window's size, \(durationText(ms: sizeMs)), is no multiple of \(durationText(ms: everyMs))",
                hint: "Choose a slide that divides the size.")
        }
        guard sizeMs / everyMs <= maximumOverlap else {
            throw every.problem(
                "each trip would lie in \(sizeMs / everyMs) windows, and \(maximumOverlap) is the most",
                hint: "Choose a longer slide.")
        }
        return .sliding(sizeMs: sizeMs, everyMs: everyMs)
    }

    private static func ms(_ node: YAMLNode) throws(Problem) -> Int64 {
        _ = try node.duration()
        guard let ms = node.scalar.flatMap({ parseDurationMs($0) }), ms <= maximumSizeMs else {
            throw node.problem("a window is 366 days long at most")
        }
        return ms
    }
}

extension GroupKey {
    /// The name of a column or derived value to group by.
    init(_ node: YAMLNode) throws(Problem) {
        let name = try node.text()
        if let derived = Self.derived.first(where: { $0.name == name }) {
            self = derived
            return
        }
        let columns = ExpressionReader.columns
        guard let field = columns.first(where: { $0.0 == name })?.1 else {
            let usable = columns.filter { $0.1.kind == .string || $0.1.kind == .integer }.map(\.0)
            let near = nearestName(to: name, among: usable + Self.derived.map(\.name))
            throw node.problem(
                "unknown column \"\(name)\"",
                hint: near.map { "Did you mean \"\($0)\"?" }
                    ?? "Group by a column or by day, hour, hour_of_week, fare_bucket.")
        }
        guard field.kind == .string || field.kind == .integer else {
            throw node.problem(
                "a query cannot group by \"\(name)\": it is \(field.kind.words)",
                hint: field == .fare
                    ? "Group by fare_bucket." : "Group by text, a whole number, day, hour, hour_of_week or fare_bucket."
            )
        }
        self = .field(field)
    }

    /// The columns of the public view that show it, lower case.
    var viewColumns: [String] {
        self == .fareBucket ? ["bucket", "fare_from", "fare_to"] : [name]
    }
}
