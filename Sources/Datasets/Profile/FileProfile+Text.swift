import Basics
import Trips

extension FileProfile {
    /// The profile as a page of text, without colour.
    public var lines: [String] { lines(width: nil) }

    /// The page for a terminal: where the table of columns is wider than it, times lose their hours, then counts are left out that JSON has.
    ///
    /// - Parameter width: columns of the terminal; nil for no limit.
    public func lines(width: Int?) -> [String] {
        var lines = [
            "\(file): \(grouped(rows)) trips" + (rejectedRows > 0 ? ", \(grouped(rejectedRows)) rows rejected" : "")
        ]
        lines += layoutLines
        lines += timeLines
        lines += columnLines(width: width)
        lines += shareLines
        lines += findingLines
        lines += rejectLines
        if !advice.isEmpty { lines += ["", "Advice"] + advice.map { "  - \($0)" } }
        return lines
    }

    private var layoutLines: [String] {
        var parts = ["\(layout.delimiter)-separated", "\(layout.lineEnd) line ends"]
        if layout.hasByteOrderMark { parts.append("byte-order mark") }
        parts.append(
            layout.quotedShare == 0 ? "no quoted text" : "\(Int(layout.quotedShare * 1000) / 10) % of texts quoted")
        var lines = ["  layout   \(parts.joined(separator: ", "))"]
        let fields = TripField.count - layout.kind.lacks.fields.count
        lines.append("  kind     \(layout.kind.words)")
        lines.append("  columns  \(layout.recognised.count) of \(fields) known")
        if !layout.missing.isEmpty {
            let names = layout.missing.map { missing in
                "\"\(missing.header)\"" + (missing.nearest.map { " (is it \"\($0)\"?)" } ?? "")
            }
            lines.append("  missing  \(names.joined(separator: ", "))")
        }
        if !layout.leftOut.isEmpty {
            lines.append("  left out \(layout.leftOut.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
        if !layout.unknown.isEmpty {
            lines.append("  unknown  \(layout.unknown.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
        return lines
    }

    private var timeLines: [String] {
        guard let first = times.firstStart, let last = times.lastStart else { return [] }
        let unit = times.roundedToMinutes == 0 ? "to the second" : "rounded to \(times.roundedToMinutes) minutes"
        let order = times.isSorted ? "in order of start" : "in no order (\(grouped(times.stepsBack)) steps back)"
        return [
            "  starts   \(first) to \(last), \(grouped(times.days)) days",
            "  times    \(unit), \(grouped(times.moments)) different starts, \(order)",
        ]
    }

    private func columnLines(width: Int?) -> [String] {
        guard !columns.isEmpty else { return [] }
        var table = [["Column", "empty", "zero", "distinct", "lowest", "highest", "sum"]]
        for column in columns {
            table.append([
                column.name, column.empty == 0 ? "-" : percent(column.empty),
                column.zeros.map { $0 == 0 ? "-" : percent($0) } ?? "",
                (column.isDistinctExact ? "" : "~") + grouped(column.distinct), column.minimum ?? "",
                column.maximum ?? "",
                sums[column.name] ?? "",
            ])
        }
        return [""] + (width.map { Self.narrowed(table, to: $0) } ?? Self.aligned(table))
    }

    private static func narrowed(_ table: [[String]], to width: Int) -> [String] {
        var table = table
        func isTooWide(_ lines: [String]) -> Bool { lines.contains { $0.count > width } }
        var lines = aligned(table)
        if isTooWide(lines) {
            for row in table.indices.dropFirst() where table[row][0].hasSuffix("_timestamp") {
                for cell in 4...5 { table[row][cell] = String(table[row][cell].prefix { $0 != " " && $0 != "T" }) }
            }
            lines = aligned(table)
        }
        for name in ["distinct", "zero"] where isTooWide(lines) {
            guard let gone = table[0].firstIndex(of: name) else { continue }
            for row in table.indices { table[row].remove(at: gone) }
            lines = aligned(table)
        }
        return lines
    }

    private static func aligned(_ table: [[String]]) -> [String] {
        let widths = table[0].indices.map { index in table.map { $0[index].count }.max() ?? 0 }
        return table.map { row in
            var line = " "
            for (index, cell) in row.enumerated() {
                let blanks = String(repeating: " ", count: widths[index] - cell.count)
                line += " " + (index == 0 ? cell + blanks : blanks + cell) + " "
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    private var shareLines: [String] {
        func line(_ title: String, _ shares: [Share], _ name: (String) -> String = { $0 }) -> [String] {
            if shares.isEmpty { return [] }
            let parts = shares.map { "\(name($0.value)) \(percent($0.count))" }
            return [
                "  \(title)\(String(repeating: " ", count: max(1, 12 - title.count)))\(parts.joined(separator: "; "))"
            ]
        }
        func area(_ number: String) -> String { Int(number).map { CommunityArea.name(of: $0) } ?? number }
        let lines =
            line("payment", paymentTypes) + line("companies", companies) + line("pickups", pickupAreas, area)
            + line("dropoffs", dropoffAreas, area)
        return lines.isEmpty ? [] : ["", "Commonest"] + lines
    }

    private var findingLines: [String] {
        let about = findings.isRepeatedExact ? "" : "about "
        let all: [(String, Int)] = [
            ("\(about)repeated Trip ID", findings.repeatedTripIDs), ("0 miles in 0 seconds", findings.nullTrips),
            ("faster than 100 mph", findings.fasterThan100Mph), ("end before start", findings.endBeforeStart),
            ("Trip Total is not the sum", findings.totalIsNotSum), ("fare above 1,000 dollars", findings.fareAbove1000),
            ("negative amounts", findings.negativeAmounts),
        ]
        var found = all.filter { $0.1 > 0 }.map { "  \(grouped($0.1)) \($0.0) (\(percent($0.1)))" }
        if findings.rounded > 0 {
            found.append("  \(grouped(findings.rounded)) numbers rounded to the decimals of their column")
        }
        return found.isEmpty ? [] : ["", "Odd, but usable"] + found
    }

    private var rejectLines: [String] {
        guard !rejects.isEmpty else { return [] }
        return ["", "Rejected"]
            + rejects.flatMap { ["  \(grouped($0.count)) \($0.reason.rawValue)"] + $0.examples.map { "    \($0)" } }
    }
}
