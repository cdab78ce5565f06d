/// Objects of JSON that somebody else wrote, and that are passed on as they are.
public enum JSONObject {
    /// Whether `text` is one whole JSON object (RFC 8259, UTF-8, nested 64 deep at most), with nothing but blanks around it.
    public static func isWhole(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = text.baseAddress, let last = text.lastIndex(where: { !JSONCursor.isBlank($0) }),
            let first = text.firstIndex(where: { !JSONCursor.isBlank($0) }), text[first] == UInt8(ascii: "{"),
            text[last] == UInt8(ascii: "}")
        else { return false }
        // The cursor relies on a bracket as the last byte.
        var cursor = JSONCursor(at: start + first, end: start + last + 1)
        do throws(JSONFault) {
            try cursor.skipValue()
        } catch {
            return false
        }
        return cursor.at == cursor.end
    }

    /// A member's value.
    public struct Value {
        public enum Kind: Sendable { case null, boolean, number, string, object, array }
        public var kind: Kind
        /// As it stands in the text; of a string what it means.
        public var bytes: UnsafeBufferPointer<UInt8>
    }

    /// Shows the members of an object in their order; name and value are lent until `body` returns.
    ///
    /// - Returns: false for text that is no whole object (see `isWhole`): then some members may have been shown.
    public static func forEachMember(
        of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>, Value) throws -> Void
    ) rethrows -> Bool {
        guard let start = text.baseAddress, let last = text.lastIndex(where: { !JSONCursor.isBlank($0) }),
            text[last] == UInt8(ascii: "}")
        else { return false }
        var cursor = JSONCursor(at: start, end: start + last + 1)
        var (scratch, nameScratch): ([UInt8], [UInt8]) = ([], [])
        func meaning<Result>(
            _ string: JSONString, _ scratch: inout [UInt8], _ use: (UnsafeBufferPointer<UInt8>) throws -> Result
        ) rethrows -> Result {
            guard string.hasEscapes else { return try use(string.bytes) }
            scratch.removeAll(keepingCapacity: true)
            JSONEscape.unescape(string.bytes, into: &scratch)
            return try scratch.withUnsafeBufferPointer(use)
        }
        guard (try? cursor.openObject()) != nil else { return false }
        if cursor.at.pointee == UInt8(ascii: "}") { return cursor.at + 1 == cursor.end }
        while true {
            guard cursor.at.pointee == UInt8(ascii: "\""), let name = try? cursor.string(),
                (try? cursor.skipColon()) != nil
            else { return false }
            let valueStart = cursor.at
            if valueStart.pointee == UInt8(ascii: "\"") {
                guard let string = try? cursor.string() else { return false }
                try meaning(name, &nameScratch) { name in
                    try meaning(string, &scratch) { try body(name, Value(kind: .string, bytes: $0)) }
                }
            } else {
                guard (try? cursor.skipValue()) != nil else { return false }
                let kind: Value.Kind =
                    switch valueStart.pointee {
                    case UInt8(ascii: "n"): .null
                    case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
                    case UInt8(ascii: "{"): .object
                    case UInt8(ascii: "["): .array
                    default: .number
                    }
                let value = UnsafeBufferPointer(start: valueStart, count: cursor.at - valueStart)
                try meaning(name, &nameScratch) { try body($0, Value(kind: kind, bytes: value)) }
            }
            guard let isClosed = try? cursor.closesObject() else { return false }
            if isClosed { return cursor.at == cursor.end }
        }
    }
}
