/// Small pictures of numbers out of Unicode's block characters.
public enum Charts {
    /// One character a value: ▁ for the least, █ for the greatest, a blank where there is none.
    ///
    /// - Parameter width: most characters; more values than that are averaged in equal groups, gaps left out.
    public static func sparkline(_ values: [Double?], width: Int) -> String {
        guard width > 0 else { return "" }
        let points = values.count <= width ? values : means(of: values, groups: width)
        let known = points.compactMap { $0 }.filter(\.isFinite)
        guard let least = known.min(), let greatest = known.max() else {
            return String(repeating: " ", count: points.count)
        }
        let blocks = Array("▁▂▃▄▅▆▇█")
        return String(
            points.map { value -> Character in
                guard let value, value.isFinite else { return " " }
                // All equal: the middle, since neither end would be true.
                guard greatest > least else { return blocks[3] }
                return blocks[Int(((value - least) / (greatest - least) * 7).rounded())]
            })
    }

    /// A horizontal bar of `share` (0…1, clamped) of `width` columns, to an eighth of a column, without blanks behind it.
    public static func bar(_ share: Double, width: Int) -> String {
        guard share.isFinite, width > 0 else { return "" }
        let eighths = Int((min(1, max(0, share)) * Double(width) * 8).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + rest[eighths % 8]
    }

    private static func means(of values: [Double?], groups: Int) -> [Double?] {
        (0..<groups).map { group in
            let part = values[(group * values.count / groups)..<((group + 1) * values.count / groups)].compactMap { $0 }
            return part.isEmpty ? nil : part.reduce(0, +) / Double(part.count)
        }
    }
}
