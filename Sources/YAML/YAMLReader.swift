internal import CYAML
public import Problems

extension YAMLNode {
    /// What a file may ask for at most: aliases multiply, and a few lines could stand for more values than memory holds.
    static let nodeBudget = 100_000
    static let depthLimit = 100

    /// Reads one YAML document. An empty one is a null.
    ///
    /// - Parameters:
    ///   - file: the name that messages say.
    ///   - callsHoldCommas: in `{p90: quantile(fare, 0.9)}` YAML ends the value at the comma, as everywhere between braces;
    ///     with this, the pieces of an unclosed call are put together again.
    /// - Throws: `Problem` of code `.configuration` with place and line: no YAML, not UTF-8, a key twice, an unknown anchor,
    ///   tags, keys that are no scalars, several documents, more than 100,000 values (aliases counted as what they stand for).
    public static func parse(
        _ text: some Sequence<UInt8>, file: String, callsHoldCommas: Bool = false
    ) throws(Problem) -> YAMLNode {
        let bytes = Array(text)
        guard bytes.count <= fileSizeLimitBytes else {
            throw Problem(.badData, "\"\(file)\" is longer than 8 MiB: no file that a person wrote")
        }
        let source = YAMLSource(bytes: bytes, file: file)
        let reader = YAMLReader(source: source, callsHoldCommas: callsHoldCommas)
        return try reader.document()
    }

    public static func parse(
        _ text: String, file: String, callsHoldCommas: Bool = false
    ) throws(Problem) -> YAMLNode {
        try parse(text.utf8, file: file, callsHoldCommas: callsHoldCommas)
    }
}

/// Builds nodes from libyaml's events; owns its parser and the copy of the bytes that the parser reads.
private final class YAMLReader {
    private let source: YAMLSource
    private let callsHoldCommas: Bool
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private var isReady: Bool
    private var anchors: [String: (node: YAMLNode, size: Int)] = [:]
    private var openAnchors: Set<String> = []
    private var nodesLeft = YAMLNode.nodeBudget

    init(source: YAMLSource, callsHoldCommas: Bool) {
        self.source = source
        self.callsHoldCommas = callsHoldCommas
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        input = .allocate(capacity: source.bytes.count)
        _ = input.initialize(from: source.bytes)
        isReady = yaml_parser_initialize(parser) == 1
        if isReady {
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, input.baseAddress, input.count)
        }
    }

    deinit {
        if isReady { yaml_parser_delete(parser) }
        parser.deallocate()
        input.deallocate()
    }

    func document() throws(Problem) -> YAMLNode {
        guard isReady else { throw Problem(.unavailable, "no memory to read \"\(source.file)\"") }
        _ = try next()
        guard case .documentStart = try next().kind else {
            return YAMLNode(content: .scalar(""), style: .plain, source: source, range: 0..<0)
        }
        let root = try node(after: try next(), depth: 0).node
        _ = try next()
        let end = try next()
        guard case .streamEnd = end.kind else {
            throw source.problem(
                "a second document begins here, but the file may hold only one", atByte: end.range.lowerBound,
                hint: "Put it in a file of its own.")
        }
        return root
    }

    // MARK: values

    /// The value that `event` begins, and how many nodes it is.
    private func node(after event: Event, depth: Int) throws(Problem) -> (node: YAMLNode, size: Int) {
        guard depth <= YAMLNode.depthLimit else {
            throw source.problem(
                "values are nested more than \(YAMLNode.depthLimit) deep", atByte: event.range.lowerBound)
        }
        if case .alias(let name) = event.kind { return try resolve(name, at: event) }
        try spend(1, at: event)
        if let anchor = event.anchor { openAnchors.insert(anchor) }
        let result: (node: YAMLNode, size: Int)
        switch event.kind {
        case .scalar(let text, let style):
            result = (YAMLNode(content: .scalar(text), style: style, source: source, range: event.range), 1)
        case .sequenceStart: result = try sequence(from: event, depth: depth)
        case .mappingStart(let isFlow): result = try mapping(from: event, isFlow: isFlow, depth: depth)
        default: throw source.problem("expected a value", atByte: event.range.lowerBound)
        }
        if let anchor = event.anchor {
            openAnchors.remove(anchor)
            anchors[anchor] = result
        }
        return result
    }

    private func sequence(from start: Event, depth: Int) throws(Problem) -> (node: YAMLNode, size: Int) {
        var (items, size): ([YAMLNode], Int) = ([], 1)
        while true {
            let event = try next()
            if case .collectionEnd = event.kind {
                let range = start.range.lowerBound..<event.range.upperBound
                return (YAMLNode(content: .sequence(items), style: .plain, source: source, range: range), size)
            }
            let item = try node(after: event, depth: depth + 1)
            items.append(item.node)
            size += item.size
        }
    }

    private func mapping(from start: Event, isFlow: Bool, depth: Int) throws(Problem) -> (node: YAMLNode, size: Int) {
        var (entries, size): ([YAMLNode.Entry], Int) = ([], 1)
        var known: [String: YAMLNode] = [:]
        while true {
            let event = try next()
            if case .collectionEnd = event.kind {
                let range = start.range.lowerBound..<event.range.upperBound
                return (YAMLNode(content: .mapping(entries), style: .plain, source: source, range: range), size)
            }
            let key = try node(after: event, depth: depth + 1)
            guard let name = key.node.scalar else {
                throw source.problem("a key has to be plain text", atByte: event.range.lowerBound)
            }
            let value = try node(after: try next(), depth: depth + 1)
            size += key.size + value.size
            if isFlow, callsHoldCommas, let call = Self.closing(entries.last?.value, with: key.node, value.node) {
                entries[entries.count - 1].value = call
                continue
            }
            if let first = known[name] {
                throw source.problem(
                    "key \"\(name)\" is given twice", atByte: event.range.lowerBound,
                    hint: "It is given in line \(first.location.line) already; remove one of the two.")
            }
            known[name] = key.node
            entries.append(YAMLNode.Entry(key: key.node, value: value.node))
        }
    }

    /// The call that a comma cut, with the next piece at its end; nil where there is no such call.
    private static func closing(_ call: YAMLNode?, with piece: YAMLNode, _ pieceValue: YAMLNode) -> YAMLNode? {
        guard var call, call.style == .plain, piece.style == .plain, pieceValue.range.isEmpty,
            let text = call.scalar, let rest = piece.scalar,
            text.utf8.count(where: { $0 == UInt8(ascii: "(") }) > text.utf8.count(where: { $0 == UInt8(ascii: ")") })
        else { return nil }
        call.content = .scalar("\(text), \(rest)")
        call.range = call.range.lowerBound..<piece.range.upperBound
        return call
    }

    private func resolve(_ name: String, at event: Event) throws(Problem) -> (node: YAMLNode, size: Int) {
        if openAnchors.contains(name) {
            throw source.problem("\"*\(name)\" stands inside the value that it names", atByte: event.range.lowerBound)
        }
        guard let found = anchors[name] else {
            let near = nearestName(to: name, among: anchors.keys.sorted())
            throw source.problem(
                "no anchor \"&\(name)\" before this line", atByte: event.range.lowerBound,
                hint: near.map { "Did you mean \"*\($0)\"?" })
        }
        try spend(found.size, at: event)
        return found
    }

    private func spend(_ count: Int, at event: Event) throws(Problem) {
        nodesLeft -= count
        guard nodesLeft >= 0 else {
            throw source.problem(
                "the file stands for more than \(YAMLNode.nodeBudget) values", atByte: event.range.lowerBound)
        }
    }

    // MARK: events

    private struct Event {
        enum Kind {
            case documentStart, documentEnd, streamStart, streamEnd
            case scalar(String, YAMLNode.Style)
            case alias(String)
            case sequenceStart
            case mappingStart(isFlow: Bool)
            case collectionEnd
        }
        var kind: Kind
        var anchor: String?
        var range: Range<Int>
    }

    private func next() throws(Problem) -> Event {
        var raw = yaml_event_t()
        guard yaml_parser_parse(parser, &raw) == 1 else { throw syntaxProblem() }
        defer { yaml_event_delete(&raw) }
        let start = source.offset(ofCharacter: Int(raw.start_mark.index))
        let end = source.offset(ofCharacter: Int(raw.end_mark.index))
        var event = Event(kind: .streamEnd, anchor: nil, range: start..<max(start, end))
        var tag: UnsafeMutablePointer<yaml_char_t>?
        switch raw.type {
        case YAML_STREAM_START_EVENT: event.kind = .streamStart
        case YAML_DOCUMENT_START_EVENT: event.kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: event.kind = .documentEnd
        case YAML_ALIAS_EVENT: event.kind = .alias(Self.string(raw.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            // No name, path, argument or SQL can have one, and who reads the text as C does would see only a part.
            if text.utf8.contains(0) {
                throw source.problem(
                    "a text with a NUL character", atByte: start, hint: "Write it without \\0, \\x00 and \\u0000.")
            }
            event.kind = .scalar(text, Self.style(scalar.style))
            (event.anchor, tag) = (Self.string(scalar.anchor), scalar.tag)
            if Self.string(tag) == "tag:yaml.org,2002:str" {
                tag = nil
                if scalar.style == YAML_PLAIN_SCALAR_STYLE { event.kind = .scalar(text, .block) }
            }
        case YAML_SEQUENCE_START_EVENT:
            event.kind = .sequenceStart
            (event.anchor, tag) = (Self.string(raw.data.sequence_start.anchor), raw.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            event.kind = .mappingStart(isFlow: raw.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE)
            (event.anchor, tag) = (Self.string(raw.data.mapping_start.anchor), raw.data.mapping_start.tag)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: event.kind = .collectionEnd
        default: event.kind = .streamEnd
        }
        if tag != nil {
            throw source.problem(
                "a tag is not understood here", atByte: start, hint: "Remove the word that begins with \"!\".")
        }
        // libyaml begins an anchored scalar at its anchor; people look for the value.
        if event.anchor != nil { event.range = skipProperties(event.range) }
        return event
    }

    /// The range without the `&name` in front.
    private func skipProperties(_ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        while start < range.upperBound, source.bytes[start] == UInt8(ascii: "&") {
            while start < range.upperBound, source.bytes[start] > 0x20 { start += 1 }
            while start < range.upperBound, source.bytes[start] <= 0x20 { start += 1 }
        }
        return start..<range.upperBound
    }

    private func syntaxProblem() -> Problem {
        let raw = parser.pointee
        let message = raw.problem.map { String(cString: $0) } ?? "the text is no YAML"
        if raw.error == YAML_READER_ERROR {
            return source.problem("\(message), in a file that has to be UTF-8 text", atByte: raw.problem_offset)
        }
        let offset = source.offset(ofCharacter: Int(raw.problem_mark.index))
        let context = raw.context.map { " \(String(cString: $0))" } ?? ""
        return source.problem("\(message)\(context)", atByte: offset, hint: hint(for: message, at: offset))
    }

    /// The three mistakes that nearly everybody makes once.
    private func hint(for message: String, at offset: Int) -> String? {
        if offset < source.bytes.count, source.bytes[offset] == UInt8(ascii: "\t") { return "Indent with spaces." }
        if message.hasPrefix("mapping values are not allowed") { return "Put text that holds \": \" in quotes." }
        if message.hasPrefix("did not find expected ',' or") {
            return "Put text that holds commas, quotes or brackets in quotes."
        }
        return nil
    }

    private static func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        text.map { String(cString: $0) }
    }

    private static func style(_ style: yaml_scalar_style_t) -> YAMLNode.Style {
        switch style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
        default: .plain
        }
    }
}
