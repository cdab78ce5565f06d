import Basics

extension Figure {
    /// Rows of a query as a chart: a panel for each column of numbers, over the time in the first column; of rows with groups the largest ones as
    /// lines, of those of a single time as bars.
    ///
    /// - Parameters:
    ///   - columns: the first is the time, the second may be the end of a window.
    ///   - keys: the columns of the groups; nil where nobody knows them, who stand before the numbers then.
    ///   - rows: the oldest first.
    ///   - instant: the time that a text names, in any unit; nil where it names none.
    ///   - name: what a group is called that is `value` in `column`.
    /// - Returns: nil where nothing can be drawn.
    package static func rows(
        _ title: String, columns: [String], keys: [String]?, _ rows: [[String?]], instant: (String) -> Int64?,
        name: (_ column: String, _ value: String) -> String
    ) -> Figure? {
        guard let chart = OwnChart(columns, keys, rows, instant, name) else { return nil }
        let table = OwnTable(.query, name: title, view: title, keys: [])
        return own(table, chart, id: title, PeriodDays())
    }
}

extension OwnChart {
    fileprivate init?(
        _ columns: [String], _ groups: [String]?, _ rows: [[String?]], _ instant: (String) -> Int64?,
        _ name: (String, String) -> String
    ) {
        let first = columns.count > 1 && columns[1] == "window_end" ? 2 : 1
        let known = groups?.compactMap { columns.firstIndex(of: $0) }.filter { $0 >= first }
        guard let keys = known ?? Self.keys(columns, rows, from: first) else { return nil }
        let attributes: Set<String> = ["fare_from", "fare_to"]
        let drawn = columns.indices.dropFirst(first).filter { column in
            !keys.contains(column) && !attributes.contains(columns[column]) && Self.isNumeric(rows.map { $0[column] })
        }
        let times = rows.reduce(into: [String]()) { times, row in
            if let time = row[0], times.last != time { times.append(time) }
        }
        let instants = times.compactMap(instant)
        guard !drawn.isEmpty, rows.count > 1, instants.count == times.count,
            zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        let place = Dictionary(times.enumerated().map { ($1, $0) }) { first, _ in first }
        var values: [String: [Int: [Double?]]] = [:]
        var sums: [String: Double] = [:]
        for row in rows {
            guard let time = row[0].flatMap({ place[$0] }) else { continue }
            let group = keys.map { name(columns[$0], row[$0] ?? "none") }.joined(separator: ", ")
            for column in drawn {
                values[group, default: [:]][column, default: Array(repeating: nil, count: times.count)][time] =
                    row[column].flatMap { Double($0) }
            }
            sums[group, default: 0] += (row[drawn[0]].flatMap { Double($0) } ?? 0).magnitude
        }
        let groups = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
        let step = max(1, zip(instants, instants.dropFirst()).map { $1 - $0 }.min() ?? 1)
        let slots = instants.map { Int(($0 - instants[0]) / step) }
        let lines = groups.prefix(Self.seriesCount).compactMap { values[$0]?[drawn[0]] }
        // Points that no line goes through are not seen.
        let isSparse = !Self.goOn(lines, slots)
        let isBars = !keys.isEmpty && isSparse
        let shown = groups.prefix(isBars ? Self.barCount : Self.seriesCount)
        // Means cannot be added up, so of several times only what the groups are chosen by has bars.
        let count = keys.isEmpty ? Self.panelCount : isBars && times.count > 1 ? 1 : Self.panelCountOfGroups
        let panels = drawn.prefix(count).map { column in
            Panel(
                column: columns[column].replacing("_", with: " "),
                series: isBars
                    ? [
                        Series(
                            name: "",
                            values: shown.map { (values[$0]?[column] ?? []).compactMap { $0 }.reduce(0, +) })
                    ] : shown.map { Series(name: $0, values: values[$0]?[column] ?? []) })
        }
        let chosen =
            groups.count > shown.count
            ? "The \(shown.count) of \(groups.count) groups with the largest sums of \(panels[0].column)." : ""
        let added = isBars && times.count > 1 ? " Sums over the rows that are shown, whose times lie apart." : ""
        let texts = times.map { "\($0.prefix(10)) \($0.dropFirst(11).prefix(5))" }
        self.init(
            numbers: ReportTable(columns: [], rows: []), note: chosen + added, names: isBars ? Array(shown) : texts,
            timeline: isBars ? nil : isSparse ? Timeline(evenly: times.count) : Timeline(slots: slots), panels: panels)
    }

    /// Whether three of four values of the lines stand beside the next: windows that overlap give any trip two.
    private static func goOn(_ lines: [[Double?]], _ slots: [Int]) -> Bool {
        var (pairs, joined) = (0, 0)
        for values in lines {
            let known = values.indices.filter { values[$0] != nil }
            pairs += max(0, known.count - 1)
            joined += zip(known, known.dropFirst()).count { slots[$1] - slots[$0] == 1 }
        }
        return pairs > 0 && 4 * joined >= 3 * pairs
    }

    /// The least columns that tell rows of one time apart; nil where none do.
    private static func keys(_ columns: [String], _ rows: [[String?]], from first: Int) -> [Int]? {
        for end in first..<max(first + 1, columns.count) {
            let told = Set(rows.map { [$0[0]] + $0[first..<end] })
            if told.count == rows.count { return Array(first..<end) }
        }
        return nil
    }

    private static func isNumeric(_ values: [String?]) -> Bool {
        values.contains { $0 != nil }
            && values.allSatisfy { value in value.map { Double($0)?.isFinite == true } ?? true }
    }
}

extension Figure {
    /// The picture for a page with another's styles, which has `Figure.style`; one of the two is shown.
    package var pictures: String {
        wide.inline(style: "chart wide", label: title) + narrow.inline(style: "chart narrow", label: title)
    }

    /// The rules of `pictures`, in the page's theme.
    package static let style: String = {
        func rules(_ palette: Palette) -> String {
            palette.rules.split(separator: "}").map { ".chart \($0)}" }.joined()
        }
        return """
            .chart{display:block;width:100%;height:auto}.narrow{display:none}.chart .hit.h:hover{fill:currentColor;fill-opacity:.07}
            \(rules(.light))
            @media screen and (prefers-color-scheme:dark){\(rules(.dark))}
            @media (max-width:640px){.wide{display:none}.narrow{display:block}}
            """
    }()
}
