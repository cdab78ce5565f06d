public import Problems

/// One value of a YAML file that knows where it stands, so that whoever reads it can say what is wrong with it and where.
///
/// Scalars stay text: whether `5` is a number is for the reader to ask (`integer()`, `text()`, …), not for a schema to guess.
/// An alias is the value it names, with the place of the anchor. Plain YAML only: no tags except `!!str`, no merge keys.
public struct YAMLNode: Sendable {
    public enum Content: Sendable {
        case scalar(String)
        case sequence([YAMLNode])
        /// Entries in the file's order; their keys are scalars and differ.
        case mapping([Entry])
    }

    /// A key and its value; each has its own place.
    public struct Entry: Sendable {
        public var key: YAMLNode
        public var value: YAMLNode
        /// The key's text.
        public var name: String { key.scalar ?? "" }
    }

    /// How a scalar is written; what a person put in quotes is always text.
    public enum Style: Sendable {
        case plain, singleQuoted, doubleQuoted, block
    }

    public internal(set) var content: Content
    public internal(set) var style: Style
    let source: YAMLSource
    /// The bytes of the file that the value stands in.
    var range: Range<Int>

    /// A text that stands in no file, as it is.
    ///
    /// - Parameter file: what messages call the place that it came from.
    public init(text: String, file: String) {
        let bytes = Array(text.utf8)
        self.init(
            content: .scalar(text), style: .plain, source: YAMLSource(bytes: bytes, file: file), range: 0..<bytes.count)
    }

    init(content: Content, style: Style, source: YAMLSource, range: Range<Int>) {
        (self.content, self.style, self.source, self.range) = (content, style, source, range)
    }

    /// Where the value begins; line and column count from 1, the column in UTF-8 bytes.
    public var location: InputLocation { source.location(ofByte: range.lowerBound) }
    public var isQuoted: Bool { style != .plain }

    /// The text of a scalar, whatever it means; nil for lists and mappings.
    public var scalar: String? { if case .scalar(let text) = content { text } else { nil } }

    /// Whether nothing stands there: no text, `~` or `null`, without quotes.
    public var isNull: Bool {
        guard style == .plain, case .scalar(let text) = content else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }

    /// The value of a mapping's key; nil where there is none, or the node is no mapping.
    public subscript(_ key: String) -> YAMLNode? {
        guard case .mapping(let entries) = content else { return nil }
        return entries.first { $0.name == key }?.value
    }

    /// A problem of code `.configuration` at this value's place, with its line of the file.
    public func problem(_ message: String, hint: String? = nil) -> Problem {
        source.problem(message, atByte: range.lowerBound, hint: hint)
    }

    /// A problem inside a scalar's text: `offset` counts the UTF-8 bytes of the text, and the message names the
    /// line and column where that byte is written, whichever way the scalar is quoted, escaped or folded.
    public func problem(_ message: String, atByteOfText offset: Int, hint: String? = nil) -> Problem {
        source.problem(message, atByte: sourceByte(ofText: offset), hint: hint)
    }
}
