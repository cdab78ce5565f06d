/// Why a record is no JSON object, and where.
///
/// Small on purpose: it comes back in registers from functions that are called for each value.
///
/// `@unchecked Sendable`: the place is only compared with others, by the caller that holds the bytes.
struct JSONFault: Error, @unchecked Sendable {
    enum Kind: UInt8 {
        case noObject, noKey, noColon, noValue, noComma, badNumber, badWord, controlCharacter, badEscape
        case loneSurrogate, openString, tooDeep, trailingBytes, endsEarly, notUTF8, nul
    }
    let kind: Kind
    let at: UnsafePointer<UInt8>

    var text: String {
        switch kind {
        case .noObject: #"expected "{""#
        case .noKey: "expected a field's name in quotes"
        case .noColon: #"expected ":" after a field's name"#
        case .noValue: "expected a value"
        case .noComma: #"expected "," or the closing bracket"#
        case .badNumber: "unreadable number"
        case .badWord: "expected true, false or null"
        case .controlCharacter: "control character in a string"
        case .badEscape: "unknown escape in a string"
        case .loneSurrogate: "half of a surrogate pair in a string"
        case .openString: "a string without its closing quote"
        case .tooDeep: "nested deeper than \(JSONCursor.maximumDepth) levels"
        case .trailingBytes: "more text after the object"
        case .endsEarly: "ends before its closing bracket"
        case .notUTF8: "no UTF-8"
        case .nul: "NUL in a string"
        }
    }
}

/// A field of a well-formed record that is not what it should be.
struct FieldFault {
    let reason: RejectReason
    let key: Int
    /// Of its value; nil where the field is missing.
    let at: UnsafePointer<UInt8>?
    let length: Int

    /// The field's name, what was found (at most 80 bytes of it), and what is wrong with that.
    var text: String {
        let name = JSONKeys.name(key)
        let field = TripField(rawValue: UInt8(truncatingIfNeeded: key))
        guard let at else { return "\(name) is missing" }
        let found = String(decoding: UnsafeBufferPointer(start: at, count: min(length, 80)), as: UTF8.self)
        return "\(name) \(found) \(Self.words(reason, field))"
    }

    /// What is wrong with a field's value; nil is the event time.
    static func words(_ reason: RejectReason, _ field: TripField?) -> String {
        switch reason {
        case .schemaMismatch: field == nil || field?.bounds == nil ? "is not a string" : "is not a number"
        case .badNumber: field?.kind == .integer ? "is not a whole number" : "is not a number"
        case .badMoney: "is not an amount in dollars and cents"
        case .badTimestamp: "is not a time"
        case .outOfRange: "is out of range (\(field?.rangeText ?? "years 2000…2100"))"
        case .oversized: "is longer than \(TextCell.maximumLength) bytes"
        case .badUTF8: "is no text"
        default: "is no event time"
        }
    }
}

/// Why a record is set aside, in what a `Reject` needs; made only where there is something to reject.
struct RecordFault: Error {
    let reason: RejectReason
    let text: String
    /// From the record's first byte.
    let offset: Int

    init(oversized length: Int) {
        (reason, offset) = (.oversized, 0)
        text = "\(length) bytes, at most \(TripJSONReader.maximumLength) are read"
    }

    init(_ fault: FieldFault, start: UnsafePointer<UInt8>) {
        (reason, text, offset) = (fault.reason, fault.text, fault.at.map { $0 - start } ?? 0)
    }

    /// Bytes that are no UTF-8 come before any other fault of the syntax: nothing after them can be trusted.
    init(_ fault: JSONFault, start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
        let invalid = UTF8Sequence.firstFault(start, end)
        let fault = invalid.map { JSONFault(kind: .notUTF8, at: $0) } ?? fault
        reason = fault.kind == .notUTF8 || fault.kind == .nul ? .badUTF8 : .malformedJSON
        offset = fault.at - start
        text = "\(fault.text) at byte \(offset + 1)"
    }

    /// A record whose last byte is no "}": read again with one behind it, it tells where it goes wrong.
    init(unclosedFrom start: UnsafePointer<UInt8>, to end: UnsafePointer<UInt8>) {
        let copy = Array(UnsafeBufferPointer(start: start, count: end - start)) + [UInt8(ascii: "}")]
        let fault = copy.withUnsafeBufferPointer { copy in
            let base = copy.baseAddress!
            var cursor = JSONCursor(at: base, end: base + copy.count)
            do {
                cursor.skipBlanks()
                if cursor.at.pointee != UInt8(ascii: "{") { throw JSONFault(kind: .noObject, at: cursor.at) }
                try cursor.skipValue()
                if cursor.at < cursor.end { throw JSONFault(kind: .trailingBytes, at: cursor.at) }
                throw JSONFault(kind: .endsEarly, at: cursor.at - 1)
            } catch let fault as JSONFault {
                let offset = fault.at - base
                return JSONFault(kind: offset >= copy.count - 1 ? .endsEarly : fault.kind, at: start + offset)
            } catch {
                return JSONFault(kind: .endsEarly, at: end)
            }
        }
        self.init(fault, start: start, end: end)
    }
}
