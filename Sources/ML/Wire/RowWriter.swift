internal import Basics
internal import Problems
internal import SQLite

/// Writes a row of the source as JSON: its key, and what is sent of it.
///
/// The key is an object of the key's columns. What is sent is one text for `json`, an object or a list, one for each input of `kserve-v2`,
/// with a zero byte between them, and the members of the answer itself where no service is asked.
struct RowWriter {
    private struct Item {
        var prefix: [UInt8]
        var column: Int
        var name: String
        var datatype: KServeMapping.Datatype?
        var field: ModelSpec.Field?
    }

    private let model: String
    private var key: [Item] = []
    private var parts: [[Item]] = []
    private let brackets: (open: UInt8, close: UInt8)?

    /// Why a row cannot be sent.
    struct Unusable: Error { var reason: String }

    /// - Parameters:
    ///   - columns: that the source gives.
    /// - Throws: `.configuration` for a column that it does not give.
    init(_ spec: ModelSpec, columns: [String]) throws(Problem) {
        model = spec.name
        func index(_ name: String) throws(Problem) -> Int {
            if let index = columns.firstIndex(of: name) { return index }
            let near = nearestName(to: name, among: columns).map { "Did you mean \"\($0)\"? " } ?? ""
            throw Problem(
                .configuration, "model \"\(spec.name)\": its source has no column \"\(name)\"",
                hint: near + "It has \(columns.joined(separator: ", ")).")
        }
        func item(_ sent: String?, _ column: String) throws(Problem) -> Item {
            Item(
                prefix: sent.map { Array((jsonString($0) + ":").utf8) } ?? [], column: try index(column), name: column
            )
        }
        for (name, column) in zip(spec.keyNames, spec.key) { key.append(try item(name, column)) }
        switch spec.service?.wire {
        case .json(let mapping)?:
            let pairs = mapping.columns.isEmpty ? columns.map { (sent: $0, column: $0) } : mapping.columns
            var items: [Item] = []
            for pair in pairs { items.append(try item(mapping.asArrays ? nil : pair.sent, pair.column)) }
            parts = [items]
            brackets =
                mapping.asArrays
                ? (UInt8(ascii: "["), UInt8(ascii: "]")) : (UInt8(ascii: "{"), UInt8(ascii: "}"))
        case .kserve(let mapping)?:
            for input in mapping.inputs {
                var items: [Item] = []
                for column in input.columns {
                    var item = try item(nil, column)
                    item.datatype = input.datatype
                    items.append(item)
                }
                parts.append(items)
            }
            brackets = nil
        case nil:
            let names = spec.schema.isEmpty ? columns.filter { !spec.key.contains($0) } : spec.schema.map(\.name)
            var items: [Item] = []
            for name in names {
                var item = try item(name, name)
                item.field = spec.schema.first { $0.name == name }
                items.append(item)
            }
            guard !items.isEmpty else {
                throw Problem(.configuration, "model \"\(spec.name)\": its source gives the key alone, and no answers")
            }
            parts = [items]
            brackets = nil
        }
    }

    /// - Throws: `Unusable` where JSON, or the declared type, has nothing for a value.
    func write(_ row: Statement, key bytes: inout [UInt8], body: inout [UInt8]) throws(Unusable) {
        bytes.removeAll(keepingCapacity: true)
        body.removeAll(keepingCapacity: true)
        bytes.append(UInt8(ascii: "{"))
        try write(key, of: row, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        for (index, part) in parts.enumerated() {
            if index > 0 { body.append(0) }
            if let brackets { body.append(brackets.open) }
            try write(part, of: row, to: &body)
            if let brackets { body.append(brackets.close) }
        }
    }

    private func write(_ items: [Item], of row: Statement, to bytes: inout [UInt8]) throws(Unusable) {
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: item.prefix)
            try write(item, of: row, to: &bytes)
        }
    }

    private func write(_ item: Item, of row: Statement, to bytes: inout [UInt8]) throws(Unusable) {
        if let datatype = item.datatype { return try write(item, datatype, of: row, to: &bytes) }
        let kind = row.kind(item.column)
        if let field = item.field {
            let fits: Bool =
                switch (field.kind, kind) {
                case (_, .null): field.isOptional
                case (.real, .real), (.real, .integer), (.integer, .integer), (.text, .text): true
                case (.boolean, .integer): (0...1).contains(row.integer(item.column))
                case (.any, _): true
                default: false
                }
            guard fits else { throw Unusable(reason: "\"\(item.name)\" is no \(field.kind.rawValue)") }
            if field.kind == .boolean, kind == .integer {
                bytes.append(contentsOf: row.integer(item.column) == 1 ? "true".utf8 : "false".utf8)
                return
            }
        }
        switch kind {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .integer: Self.append(row.integer(item.column), to: &bytes)
        case .text: Self.append(text: row, item.column, to: &bytes)
        case .real: try Self.append(row.real(item.column), item.name, to: &bytes)
        case .blob: throw Unusable(reason: "JSON has nothing for the blob in \"\(item.name)\"")
        }
    }

    private func write(
        _ item: Item, _ datatype: KServeMapping.Datatype, of row: Statement, to bytes: inout [UInt8]
    ) throws(Unusable) {
        switch (datatype.kind, row.kind(item.column)) {
        case (.boolean, .integer) where (0...1).contains(row.integer(item.column)):
            bytes.append(contentsOf: row.integer(item.column) == 1 ? "true".utf8 : "false".utf8)
        case (.integer, .integer) where datatype.range?.contains(row.integer(item.column)) ?? true:
            Self.append(row.integer(item.column), to: &bytes)
        case (.real, .integer): Self.append(row.integer(item.column), to: &bytes)
        case (.real, .real): try Self.append(row.real(item.column), item.name, to: &bytes)
        case (.text, .text): Self.append(text: row, item.column, to: &bytes)
        default: throw Unusable(reason: "\(datatype.rawValue) has nothing for what is in \"\(item.name)\"")
        }
    }

    private static func append(_ number: Int64, to bytes: inout [UInt8]) { bytes.append(contentsOf: "\(number)".utf8) }

    private static func append(_ number: Double, _ name: String, to bytes: inout [UInt8]) throws(Unusable) {
        guard number.isFinite else { throw Unusable(reason: "JSON has nothing for the infinite number in \"\(name)\"") }
        bytes.append(contentsOf: number.description.utf8)
    }

    private static func append(text row: Statement, _ column: Int, to bytes: inout [UInt8]) {
        row.withBytes(column) { text in
            if text.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 < 0x80 }) {
                bytes.append(UInt8(ascii: "\""))
                bytes.append(contentsOf: text)
                bytes.append(UInt8(ascii: "\""))
            } else {
                // What is no UTF-8 would be no JSON.
                bytes.append(contentsOf: jsonString(String(decoding: text, as: UTF8.self)).utf8)
            }
        }
    }
}
