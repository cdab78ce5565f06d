extension Table {
    /// The table with aligned columns and a heading, each line ending in a line break.
    ///
    /// Where it is wider than `width`, columns that may be left out are, the last first; then the widest left-aligned columns are cut
    /// with `…`, down to `narrowest` columns. Numbers are never cut: half a number is a wrong number. A table that still does not fit
    /// is left too wide.
    ///
    /// - Parameter width: columns of the terminal; nil for no limit.
    public func text(width: Int?, style: Style = .plain) -> String {
        if let width, let gone = columnLeftOut(for: width) {
            var narrower = self
            narrower.columns.remove(at: gone)
            for row in narrower.rows.indices { narrower.rows[row].remove(at: gone) }
            return narrower.text(width: width, style: style)
        }
        let heading = columns.map { printable($0.name) }
        let cells = rows.map { $0.map { $0.shown() } }
        let widths = columnWidths(of: [heading] + cells, limit: width)
        var output = line(heading, widths: widths, emphasis: style.bold)
        for row in cells { output += line(row, widths: widths) { $0 } }
        return output
    }

    /// The column to leave out first; nil where the table fits, or all that is left is needed.
    private func columnLeftOut(for width: Int) -> Int? {
        guard let last = columns.lastIndex(where: \.mayBeLeftOut) else { return nil }
        let heading = columns.map { printable($0.name) }
        let widths = columnWidths(of: [heading] + rows.map { $0.map { $0.shown() } }, limit: nil)
        return widths.reduce(0, +) + Self.gap.count * max(0, columns.count - 1) > width ? last : nil
    }

    private func columnWidths(of lines: [[String]], limit: Int?) -> [Int] {
        var widths = columns.indices.map { column in lines.map { displayWidth(of: $0[column]) }.max() ?? 0 }
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + Self.gap.count * max(0, columns.count - 1) - limit
        // The first column names the row: it is cut only when nothing else is left to cut.
        let others = columns.indices.dropFirst().filter { columns[$0].alignment == .left }
        let first = columns.first?.alignment == .left ? [0] : []
        while excess > 0 {
            let shrinkable = others.contains { widths[$0] > Self.narrowest } ? others : first
            guard let widest = shrinkable.max(by: { widths[$0] < widths[$1] }), widths[widest] > Self.narrowest else {
                break
            }
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
