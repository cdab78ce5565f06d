import Foundation
import Problems
import SchemaRegistry
import Stream
import Topics
import Time
import Trips

/// One message of a query's output topic, with its values in the units of the query's results.
struct ResultMessage {
    var window = EventTime.min
    var windowEnd = EventTime.min
    /// From UTC, in which start and end are written: seconds; nil where they are instants, as in Avro.
    var offsets: (Int, Int)? = (0, 0)
    /// How often its window had results, with these.
    var revision: Int64 = 1
    /// Whether its row is not there any more.
    var isWithdrawn = false
    /// nil where a key is missing.
    var parts: [GroupNumbers.Part?] = []
    /// One for each of the plan's `messageFields`; nil for null.
    var values: [Int64?] = []
}

/// Reads the batches of an output topic, in whichever of the encodings a backend keeps them.
struct ResultMessages {
    private let plan: QueryPlan
    private let fields: [AggregatePlan]
    private let schemas: SchemaCache?
    private let records: BatchRecords

    /// - Parameter schemas: of messages that are Avro.
    init(_ plan: QueryPlan, schemas: SchemaCache? = nil) {
        (self.plan, self.schemas) = (plan, schemas)
        records = BatchRecords(schemas: schemas)
        fields = plan.messageFields.map { plan.aggregates[$0] }
    }

    /// Calls `body` with each message and its offset; with nil for one that is no message of the query.
    func forEach(in batch: StoredBatch, _ body: (Int64, ResultMessage?) -> Void) throws {
        guard batch.encoding == .results else { return try forEachLine(batch, body) }
        let columns = try batch.payload.withUnsafeBytes { bytes in try ResultColumns(decoding: bytes).columns }
        func column(_ name: String) -> Int? { columns.firstIndex { $0.name == name && $0.kind.rawValue >= 4 } }
        let start = columns.firstIndex { $0.kind == .windowStart }
        let end = columns.firstIndex { $0.kind == .windowEnd }
        let startOffset = columns.firstIndex { $0.kind == .startOffset }
        let endOffset = columns.firstIndex { $0.kind == .endOffset }
        let revision = column("revision")
        let withdrawn = column("withdrawn")
        let groups = plan.groups.map { column($0.name) }
        let places = fields.map { column($0.name) }
        let isWhole =
            !groups.contains(nil) && !places.contains(nil) && (start != nil) == plan.window.isWindowed
            && zip(fields, places).allSatisfy { $0.decimals == columns[$1 ?? 0].decimals }
        var message = ResultMessage()
        for row in 0..<batch.count {
            let offset = batch.baseOffset + Int64(row)
            guard isWhole else {
                body(offset, nil)
                continue
            }
            if let start, let end {
                (message.window, message.windowEnd) = (columns[start].cells[row], columns[end].cells[row])
                func offset(_ column: Int?) -> Int { column.map { Int(columns[$0].cells[row]) } ?? 0 }
                message.offsets = (offset(startOffset), offset(endOffset))
            }
            message.revision = revision.map { columns[$0].cells[row] }.flatMap { $0 == nullCell ? nil : $0 } ?? 1
            message.isWithdrawn = withdrawn.map { columns[$0].cells[row] == 1 } ?? false
            message.parts.removeAll(keepingCapacity: true)
            for case let index? in groups {
                let cell = columns[index].cells[row]
                switch columns[index].kind {
                case _ where cell == nullCell: message.parts.append(nil)
                case .text: message.parts.append(.text(columns[index].texts[Int(cell)]))
                default: message.parts.append(.integer(cell))
                }
            }
            message.values.removeAll(keepingCapacity: true)
            for case let index? in places {
                let cell = columns[index].cells[row]
                message.values.append(cell == nullCell ? nil : cell)
            }
            body(offset, message)
        }
    }

    /// The JSON of the message at an offset, for people; may be asked by who is shown the messages of a batch.
    func text(at offset: Int64, in batch: StoredBatch) throws -> String {
        // Not those that are being shown.
        let records = BatchRecords(schemas: schemas)
        try records.load(batch, from: offset)
        guard records.count > 0 else { return "" }
        return records.withValue(0) { $0.map { String(decoding: $0, as: UTF8.self) } ?? "null" }
    }

    private func forEachLine(_ batch: StoredBatch, _ body: (Int64, ResultMessage?) -> Void) throws {
        try records.load(batch)
        for index in 0..<records.count {
            let message = records.withValue(index) { line in
                line.flatMap { line -> ResultMessage? in
                    var reader = MessageReader(line)
                    guard let object = reader.object(), reader.isAtEnd else { return nil }
                    return self.message(from: object)
                }
            }
            body(records.firstOffset + Int64(index), message)
        }
    }

    private func message(from object: [String: MessageReader.Value]) -> ResultMessage? {
        var message = ResultMessage()
        if plan.window.isWindowed {
            guard case .object(let window)? = object["window"], case .text(let start)? = window["start"],
                case .text(let end)? = window["end"], let from = Self.time(start), let until = Self.time(end)
            else { return nil }
            (message.window, message.windowEnd) = (from, until)
            guard let offsets = Self.offset(start).flatMap({ start in Self.offset(end).map { (start, $0) } }) else {
                return nil
            }
            message.offsets = start.last == UInt8(ascii: "Z") && end.last == UInt8(ascii: "Z") ? nil : offsets
        }
        if case .number(let number)? = object["revision"] { message.revision = number.scaled(decimals: 0) ?? 0 }
        if case .flag? = object["withdrawn"] { message.isWithdrawn = true }
        for group in plan.groups {
            switch object[group.name] {
            case nil: message.parts.append(nil)
            case .text(let text) where group == .day:
                let parts = String(decoding: text, as: UTF8.self).split(separator: "-").compactMap { Int($0) }
                guard parts.count == 3, 1...9999 ~= parts[0], 1...12 ~= parts[1], 1...31 ~= parts[2] else { return nil }
                message.parts.append(.integer(Int64(Calendar.day(year: parts[0], month: parts[1], day: parts[2]))))
            case .text(let text) where group.isString: message.parts.append(.text(text))
            case .number(let number) where !group.isString:
                guard let value = number.scaled(decimals: 0) else { return nil }
                message.parts.append(.integer(value))
            default: return nil
            }
        }
        for field in fields {
            switch object[field.name] {
            case nil: message.values.append(nil)
            case .number(let number):
                guard let value = number.scaled(decimals: field.decimals) else { return nil }
                message.values.append(value)
            default: return nil
            }
        }
        return message
    }

    /// The offset that a time ends with, `-06:00` or `Z`, in seconds.
    private static func offset(_ text: [UInt8]) -> Int? {
        if text.last == UInt8(ascii: "Z") { return 0 }
        let digits = text.suffix(6).filter { 48...57 ~= $0 }.map { Int($0) - 48 }
        guard digits.count == 4, text.count > 6, let sign = text.suffix(6).first else { return nil }
        let seconds = (digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60
        return sign == UInt8(ascii: "-") ? -seconds : seconds
    }

    private static func time(_ text: [UInt8]) -> EventTime? { text.withUnsafeBufferPointer { RFC3339.parse($0) } }
}

/// Reads the JSON of one message: an object of texts, numbers and objects.
struct MessageReader {
    enum Value {
        case null
        case text([UInt8])
        case number(Number)
        /// `true`
        case flag
        case object([String: Value])
    }

    /// A decimal as it is written.
    struct Number {
        /// All digits, as one integer.
        var digits: Int64
        /// How many of them follow the point.
        var decimals: Int

        /// As an integer of so many decimals; nil where it has more that are not zero.
        func scaled(decimals wanted: Int) -> Int64? {
            if decimals <= wanted {
                let (scaled, overflow) = digits.multipliedReportingOverflow(by: ResultCells.power(wanted - decimals))
                return overflow ? nil : scaled
            }
            let (quotient, rest) = digits.quotientAndRemainder(dividingBy: ResultCells.power(decimals - wanted))
            return rest == 0 ? quotient : nil
        }
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var offset = 0
    private var depth = 0
    /// A message has an object in an object; what nests deeper is none of ours.
    private static let maximumDepth = 8

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    /// nil for anything that is no such object.
    mutating func object() -> [String: Value]? {
        guard depth < Self.maximumDepth, take("{") else { return nil }
        depth += 1
        defer { depth -= 1 }
        var object: [String: Value] = [:]
        if take("}") { return object }
        repeat {
            guard let name = text(), take(":"), let value = value() else { return nil }
            // JSON leaves out what is null, and Avro cannot.
            if case .null = value { continue }
            object[String(decoding: name, as: UTF8.self)] = value
        } while take(",")
        return take("}") ? object : nil
    }

    private mutating func value() -> Value? {
        skipBlanks()
        guard offset < bytes.count else { return nil }
        switch bytes[offset] {
        case UInt8(ascii: "\""): return text().map { .text($0) }
        case UInt8(ascii: "{"): return object().map { .object($0) }
        case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
        case UInt8(ascii: "t"): return take(word: "true") ? .flag : nil
        default: return number().map { .number($0) }
        }
    }

    private mutating func number() -> Number? {
        let isNegative = take("-")
        var number = Number(digits: 0, decimals: 0)
        var (count, hasPoint) = (0, false)
        while offset < bytes.count {
            if bytes[offset] == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else if case let digit = bytes[offset] &- 48, digit < 10, count < 18 {
                number.digits = number.digits * 10 + Int64(digit)
                if hasPoint { number.decimals += 1 }
                count += 1
            } else {
                break
            }
            offset += 1
        }
        if isNegative { number.digits = -number.digits }
        return count > 0 ? number : nil
    }

    private mutating func text() -> [UInt8]? {
        guard take("\"") else { return nil }
        let start = offset
        var hasEscape = false
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\"") {
            if bytes[offset] == UInt8(ascii: "\\") {
                hasEscape = true
                offset += 1
            }
            offset += 1
        }
        guard offset < bytes.count else { return nil }
        defer { offset += 1 }
        if !hasEscape { return Array(bytes[start..<offset]) }
        let quoted = Data(bytes[start - 1..<offset + 1])
        let text = try? JSONSerialization.jsonObject(with: quoted, options: .fragmentsAllowed) as? String
        return text.map { Array($0.utf8) }
    }

    private mutating func skipBlanks() {
        while offset < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) { offset += 1 }
    }

    private mutating func take(word: String) -> Bool {
        guard bytes[offset...].starts(with: word.utf8) else { return false }
        offset += word.utf8.count
        return true
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard offset < bytes.count, bytes[offset] == UInt8(truncatingIfNeeded: byte.value) else { return false }
        offset += 1
        return true
    }
}
