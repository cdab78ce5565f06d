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
}
