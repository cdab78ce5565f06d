import Foundation

@testable import Trips

/// The slow, obvious reader of trip files, one byte and one field at a time: what the fast one is held to.
///
/// It knows the City's own time form only, and takes headers from a list of columns.
struct SlowCSV {
    private let bytes: [UInt8]
    private let fields: [TripField]
    private var columns: [TripField?] = []
    private var seen = Seen()

    static func read(_ bytes: [UInt8], fields: [TripField]) -> Seen {
        var reader = SlowCSV(bytes: bytes, fields: fields)
        reader.read()
        return reader.seen
    }

    private init(bytes: [UInt8], fields: [TripField]) { (self.bytes, self.fields) = (bytes, fields) }

    private mutating func read() {
        var at = 0
        var line = 1
        while at < bytes.count {
            // A row ends with the first line end outside quotes.
            var end = at
            var isQuoted = false
            while end < bytes.count, isQuoted || bytes[end] != 0x0a {
                if bytes[end] == 0x22 { isQuoted.toggle() }
                end += 1
            }
            if !isQuoted, take(Array(bytes[at..<end]), line) {
                line += bytes[at..<end].count { $0 == 0x0a } + 1
                at = end + 1
                continue
            }
            // A quote that is not closed, or was so in another row: only this line is lost.
            let lineEnd = bytes[at...].firstIndex(of: 0x0a) ?? bytes.count
            let row = Array(bytes[at..<lineEnd])
            let count = row.count { $0 == 0x2c } + 1
            let quote = row.firstIndex(of: 0x22)
            seen.rejects.append(
                SeenReject(
                    reason: quote != nil ? .malformedRow : count < columns.count ? .tooFewFields : .tooManyFields,
                    line: line, column: (quote ?? 0) + 1))
            line += 1
            at = lineEnd + 1
        }
    }

    /// False where the row is to be read anew, line by line.
    private mutating func take(_ row: [UInt8], _ line: Int) -> Bool {
        if row.allSatisfy({ [0x20, 0x09, 0x0d].contains($0) }) { return true }
        var parts: [(start: Int, bytes: [UInt8])] = [(0, [])]
        var isQuoted = false
        for (place, byte) in row.enumerated() {
            if byte == 0x22 { isQuoted.toggle() }
            if byte == 0x2c, !isQuoted {
                parts.append((place + 1, []))
            } else {
                parts[parts.count - 1].bytes.append(byte)
            }
        }
        let header = parts.map { part in
            TripField.allCases.first { Self.trimmed(part.bytes).text == Array($0.header.utf8) }
        }
        let known = header.count { $0 != nil }
        let holdsDigits = zip(parts, header).contains { part, field in
            field == nil && part.bytes.contains { $0 >= 0x30 && $0 <= 0x39 }
        }
        if columns.isEmpty || known * 2 >= header.count && known >= min(2, columns.count) && !holdsDigits {
            columns = header
            return true
        }
        guard parts.count == columns.count else {
            if row.contains(0x0a) { return false }
            seen.rejects.append(
                SeenReject(
                    reason: parts.count < columns.count ? .tooFewFields : .tooManyFields, line: line, column: 1))
            return true
        }
        var values: [TripField: String] = [:]
        for (part, column) in zip(parts, columns) {
            let (text, start) = Self.trimmed(part.bytes)
            var reason: RejectReason?
            if part.bytes.contains(0) || String(validating: part.bytes, as: UTF8.self) == nil {
                reason = .badUTF8
            } else if let column, !text.isEmpty, !Self.isNull(text) {
                switch SlowValue.read(String(decoding: text, as: UTF8.self), column) {
                case .value(let value): values[column] = value
                case .fault(let fault): reason = fault
                }
            }
            if let reason {
                let before = row[..<(part.start + start)]
                seen.rejects.append(
                    SeenReject(
                        reason: reason, line: line + before.count { $0 == 0x0a },
                        column: before.count - (before.lastIndex(of: 0x0a) ?? -1)))
                return true
            }
        }
        seen.rows.append(SeenRow(line: line, values: fields.map { values[$0] }))
        return true
    }

    private static func isNull(_ text: [UInt8]) -> Bool {
        let text = String(decoding: text, as: UTF8.self)
        return ["NULL", "NAN", "NA"].contains(text.uppercased()) || text == "\\N" || text == "-"
    }

    /// Without blanks around and without quotes; with the place of what is left.
    private static func trimmed(_ bytes: [UInt8]) -> (text: [UInt8], start: Int) {
        func strip(_ bytes: [UInt8]) -> (text: [UInt8], start: Int) {
            let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
            let start = bytes.firstIndex { !isBlank($0) } ?? bytes.count
            let end = (bytes.lastIndex { !isBlank($0) } ?? start - 1) + 1
            return (Array(bytes[start..<max(start, end)]), start)
        }
        let outer = strip(bytes)
        guard outer.text.count >= 2, outer.text.first == 0x22, outer.text.last == 0x22 else { return outer }
        let inner = strip(Array(outer.text.dropFirst().dropLast()))
        let text = String(decoding: inner.text.map { $0 == 0x22 ? 0x22 : $0 }, as: UTF8.self)
        guard text.utf8.contains(0x22) else { return (inner.text, outer.start + 1 + inner.start) }
        // Bytes, not characters: the text may be no UTF-8.
        var result: [UInt8] = []
        var skips = false
        for byte in inner.text {
            skips = byte == 0x22 && !skips && result.last == 0x22
            if !skips { result.append(byte) }
        }
        return (result, outer.start + 1 + inner.start)
    }
}

/// What a field's text means, by the words of the contract.
enum SlowValue {
    case value(String)
    case fault(RejectReason)

    static func read(_ text: String, _ field: TripField) -> SlowValue {
        switch field.kind {
        case .string:
            if text.utf8.count > 65535 { return .fault(.oversized) }
            return .value(text)
        case .timestamp: return text == SlowValue.time ? .value(text) : .fault(.badTimestamp)
        default: return number(text, field)
        }
    }

    static let time = "03/01/2024 12:15:00 AM"

    private static func number(_ text: String, _ field: TripField) -> SlowValue {
        let bad = SlowValue.fault(field.kind == .money ? .badMoney : .badNumber)
        let grammar = /([+-]?)(\$?)([+-]?)([0-9]*|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?/
        guard let match = text.wholeMatch(of: grammar) else { return bad }
        let (sign, dollar, second, wholes) = (match.1, match.2, match.3, match.4.filter { $0 != "," })
        let fraction = match.5 ?? ""
        if wholes.isEmpty, fraction.isEmpty { return bad }
        if !dollar.isEmpty, field.kind != .money { return bad }
        if !second.isEmpty, dollar.isEmpty || !sign.isEmpty { return bad }
        // All digits, and where the point stands among them.
        var digits = (wholes + fraction).map { $0.wholeNumberValue! }
        guard digits.contains(where: { $0 != 0 }) else {
            // So many exponents as there are digits: all beyond some thousand mean the same.
            let exponent = Int(match.6 ?? "0") ?? ((match.6 ?? "").hasPrefix("-") ? -100_000 : 100_000)
            return zero(
                field, field.kind == .decimal ? min(max(fraction.count - exponent, 0), field.bounds!.decimals) : 0)
        }
        guard let exponent = Int(match.6 ?? "0"), abs(exponent) < 500 else {
            return (match.6 ?? "").hasPrefix("-") ? zero(field, 0) : .fault(.outOfRange)
        }
        var point = wholes.count + exponent
        while point > digits.count { digits.append(0) }
        while point < 1 {
            digits.insert(0, at: 0)
            point += 1
        }
        let isNegative = sign == "-" || second == "-"
        var decimals =
            field.kind == .decimal ? min(field.bounds!.decimals, digits.count - point) : field.bounds!.decimals
        if field.kind == .integer {
            let rest = digits[point...] + Array(repeating: 0, count: 8)
            let millionths = rest.prefix(6).reduce(0) { $0 * 10 + $1 }
            let isWhole =
                millionths == 0 || millionths == 999_999 || millionths == 1 && rest.dropFirst(6).allSatisfy { $0 == 0 }
            let wholes = digits[..<point].drop { $0 == 0 }
            let isLarge = wholes.count > 18 || wholes.reduce(0) { $0 * 10 + Int64($1) } > field.bounds!.greatest
            if !isWhole { return isLarge ? .fault(.outOfRange) : bad }
        }
        while digits.count - point < decimals { digits.append(0) }
        let dropped = digits[(point + decimals)...]
        digits = Array(digits[..<(point + decimals)])
        if dropped.first ?? 0 >= 5 {
            var place = digits.count - 1
            while place >= 0, digits[place] == 9 {
                digits[place] = 0
                place -= 1
            }
            if place >= 0 {
                digits[place] += 1
            } else {
                digits.insert(1, at: 0)
                point += 1
            }
        }
        if field.kind == .decimal, dropped.contains(where: { $0 != 0 }) {
            while decimals > 0, digits.last == 0 {
                digits.removeLast()
                decimals -= 1
            }
        }
        let bare = digits.drop { $0 == 0 }
        let magnitude =
            bare.isEmpty
            ? 0
            : bare.count > 18 ? Double.infinity : Double(bare.map(String.init).joined())! / pow(10, Double(decimals))
        let value = isNegative ? -magnitude : magnitude
        guard value >= Double(field.bounds!.least), value <= Double(field.bounds!.greatest) else {
            return .fault(.outOfRange)
        }
        while digits.count - decimals > 1, digits[0] == 0 { digits.removeFirst() }
        let shown = digits.map(String.init).joined()
        let wholePart = shown.prefix(shown.count - decimals)
        let text = wholePart + (decimals > 0 ? "." + shown.suffix(decimals) : "")
        return .value((isNegative && magnitude > 0 ? "-" : "") + text)
    }

    private static func zero(_ field: TripField, _ decimals: Int) -> SlowValue {
        if field == .pickupArea || field == .dropoffArea { return .fault(.outOfRange) }
        let decimals = field.kind == .money ? 2 : decimals
        return .value("0" + (decimals > 0 ? "." + String(repeating: "0", count: decimals) : ""))
    }
}
