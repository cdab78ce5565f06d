internal import Problems

/// How rows are written.
public enum OutputFormat: String, Sendable, CaseIterable {
    case table
    /// One array.
    case json
    /// One object a line.
    case jsonl
    /// RFC 4180, with a heading and CRLF line ends; see `csvField`.
    case csv
}

/// Writes rows one by one; a table is written at the end, when its widths are known, every other format at once.
public struct TableWriter {
    private let columns: [Column]
    private let format: OutputFormat
    private let writer: TextWriter
    private let width: Int?
    private let style: Style
    private let keys: [String]
    private var held: [[Table.Value]] = []
    private var count = 0

    /// - Parameter width: columns of the terminal, into which a table is fitted; nil for none.
    public init(columns: [Column], format: OutputFormat, to writer: TextWriter, width: Int?, style: Style = .plain)
        throws
    {
        (self.columns, self.format, self.writer, self.width, self.style) = (columns, format, writer, width, style)
        keys = columns.enumerated().map { index, column in
            (index == 0 ? "{" : ",") + JSONText.string(column.name) + ":"
        }
        switch format {
        case .csv: try writer.write(columns.map { csvField($0.name) }.joined(separator: ",") + "\r\n")
        case .json: try writer.write("[")
        case .table, .jsonl: break
        }
    }

    /// - Throws: what writing throws: `ClosedPipe`, `Problem(.inputOutput)`.
    public mutating func append(_ row: [Table.Value]) throws {
        precondition(row.count == columns.count, "a row has a value for each column")
        switch format {
        case .table: held.append(row)
        case .json: try writer.write((count == 0 ? "\n" : ",\n") + object(row))
        case .jsonl: try writer.write(object(row) + "\n")
        case .csv: try writer.write(row.map { csvField($0.plain()) }.joined(separator: ",") + "\r\n")
        }
        count += 1
    }

    /// Writes what is still to come; call once.
    public func finish() throws {
        switch format {
        case .table:
            try writer.write(Table(columns: columns, rows: held).text(width: width, style: style))
        case .json: try writer.write(count == 0 ? "]\n" : "\n]\n")
        case .jsonl, .csv: break
        }
        try writer.flush()
    }

    private func object(_ row: [Table.Value]) -> String {
        var text = columns.isEmpty ? "{" : ""
        for (key, value) in zip(keys, row) {
            text += key
            value.appendJSON(to: &text)
        }
        return text + "}"
    }
}

extension Table {
    public func write(
        as format: OutputFormat, to writer: TextWriter, width: Int? = nil, style: Style = .plain
    ) throws {
        var output = try TableWriter(columns: columns, format: format, to: writer, width: width, style: style)
        for row in rows { try output.append(row) }
        try output.finish()
    }
}
