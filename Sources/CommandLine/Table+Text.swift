extension Table {
    /// The table with aligned columns and a heading, each line ending in a line break.
    ///
    /// Where it is wider than `width`, times are shortened (`ShortTimes`); then columns that may be left out are, the last first; then the
    /// widest left-aligned columns are cut with `…`, down to `narrowest` columns, those of times last. Numbers are never cut: half a
    /// number is a wrong number. A table that still does not fit is left too wide.
    ///
    /// - Parameter width: columns of the terminal; nil for no limit.
    public func text(width: Int?, style: Style = .plain) -> String {
        if let width, case let fitted = fitted(to: width), !fitted.leftOut.isEmpty {
            return fitted.table.text(width: width, style: style)
        }
        let heading = columns.map { printable($0.name) }
        var cells = rows.map { $0.map { $0.shown() } }
        var times: Set<Int> = []
        if let width { (cells, times) = shortened(cells, for: width) }
        let widths = columnWidths(of: [heading] + cells, limit: width, times: times)
        var output = line(heading, widths: widths, emphasis: style.bold)
        for row in cells { output += line(row, widths: widths) { $0 } }
        return output
    }

    /// The table with no more columns than fit, and the names of those that are left out: empty ones first, then from the last on.
    public func fitted(to width: Int) -> (table: Table, leftOut: [String]) {
        var (table, leftOut) = (self, [String]())
        while table.isTooWide(for: width) {
            let spare = table.columns.indices.filter { table.columns[$0].mayBeLeftOut }
            let empty = spare.last { column in table.rows.allSatisfy { $0[column].shown().isEmpty } }
            guard let gone = empty ?? spare.last else { break }
            leftOut.append(table.columns[gone].name)
            table.removeColumn(at: gone)
        }
        return (table, leftOut)
    }

    /// Whether something has to be cut or left out for it to fit.
    public func isTooWide(for width: Int) -> Bool {
        isTooWide(shortened(rows.map { $0.map { $0.shown() } }, for: width).cells, for: width)
    }

    private func isTooWide(_ cells: [[String]], for width: Int) -> Bool {
        let widths = columnWidths(of: [columns.map { printable($0.name) }] + cells, limit: nil, times: [])
        return widths.reduce(0, +) + Self.gap.count * max(0, columns.count - 1) > width
    }

    /// The cells with times as long as there is room for, and the columns of times.
    private func shortened(_ cells: [[String]], for width: Int) -> (cells: [[String]], times: Set<Int>) {
        let times = columns.indices.filter { column in ShortTimes.areTimes(cells.lazy.map { $0[column] }) }
        var shorter = cells
        for step in ShortTimes.steps where isTooWide(shorter, for: width) {
            for column in times where step.loses(nothing: shorter.lazy.map { $0[column] }) {
                for row in shorter.indices { shorter[row][column] = String(shorter[row][column].prefix(step.length)) }
            }
        }
        return (shorter, Set(times))
    }

    private func columnWidths(of lines: [[String]], limit: Int?, times: Set<Int>) -> [Int] {
        var widths = columns.indices.map { column in lines.map { displayWidth(of: $0[column]) }.max() ?? 0 }
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + Self.gap.count * max(0, columns.count - 1) - limit
        // The first column names the row: it is cut only when nothing else is left to cut.
        let left = columns.indices.filter { columns[$0].alignment == .left }
        let orders = [
            left.filter { $0 > 0 && !times.contains($0) }, left.filter { $0 == 0 && !times.contains($0) },
            left.filter(times.contains),
        ]
        while excess > 0 {
            guard let shrinkable = orders.first(where: { $0.contains { widths[$0] > Self.narrowest } }),
                let widest = shrinkable.max(by: { widths[$0] < widths[$1] })
            else { break }
            // Down to the second widest at once, not column by column.
            let next = shrinkable.map { widths[$0] }.filter { $0 < widths[widest] }.max() ?? Self.narrowest
            let cut = max(1, min(excess, widths[widest] - max(next, Self.narrowest)))
            widths[widest] -= cut
            excess -= cut
        }
        return widths
    }

    private func line(_ cells: [String], widths: [Int], emphasis: (String) -> String) -> String {
        var texts: [String] = []
        for (index, cell) in cells.enumerated() {
            let cut =
                columns[index].alignment == .right
                ? cell : truncated(cell, toWidth: widths[index], keepingEnd: columns[index].keepsEnd)
            let isLast = index == cells.count - 1 && columns[index].alignment == .left
            texts.append(isLast ? cut : pad(cut, toWidth: widths[index], alignment: columns[index].alignment))
        }
        return emphasis(texts.joined(separator: Self.gap)) + "\n"
    }

    private static let gap = "  "
    private static let narrowest = 8
}
