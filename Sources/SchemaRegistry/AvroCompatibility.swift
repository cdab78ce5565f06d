internal import Avro
internal import Problems

/// Whether what one Avro schema writes can be read as another means it, by the rules of the reference's `SchemaCompatibility`.
///
/// Types refer to each other in circles and chains of any length, so nothing here recurs. Each pair of a reader's and a writer's type is
/// looked at once: it fails by itself, or where one or all of the pairs below it fail. What fails is then carried upwards; a pair in
/// a circle that nothing refutes holds.
///
/// Source: the specification of Avro 1.12, "Schema Resolution".
struct AvroCompatibility {
    private struct Pair: Hashable {
        var reader: Int
        var writer: Int
    }
    private enum Rule {
        case holds
        case fails(SchemaDifference.Kind, at: String, detail: String)
        /// Fails where one of these does; each with where it lies below the pair, and what is to be said besides.
        case all([Part])
        /// Fails where all of these do.
        case any([Pair], detail: String)
    }
    private struct Part {
        var place: String
        /// nil for what fails by itself.
        var pair: Pair?
        var failure: SchemaDifference?
    }

    private let reader: AvroSchema
    private let writer: AvroSchema
    private var rules: [Pair: Rule] = [:]
    private var failed: Set<Pair> = []

    /// What a server lets a stranger ask of it.
    private static let maximumParts = 500_000
    private static let maximumDifferences = 100
    private static let maximumPath = 4096

    /// What keeps `reader` from reading what `writer` has written, in the order of the reader's text; empty where nothing does.
    ///
    /// - Throws: `.badData` for schemas with too many pairs of types.
    static func differences(reader: AvroSchema, writer: AvroSchema) throws(Problem) -> [SchemaDifference] {
        var check = AvroCompatibility(reader: reader, writer: writer)
        let root = Pair(reader: reader.root, writer: writer.root)
        try check.explore(from: root)
        return check.failed.contains(root) ? check.report(root) : []
    }

    /// Decimals that stand for each other with another scale.
    static func changedScales(
        reader: AvroSchema, writer: AvroSchema
    ) throws(Problem) -> [(path: String, reader: Int, writer: Int)] {
        var check = AvroCompatibility(reader: reader, writer: writer)
        let root = Pair(reader: reader.root, writer: writer.root)
        try check.explore(from: root)
        var changes: [(path: String, reader: Int, writer: Int)] = []
        check.walk(from: root) { pair, path in
            if case .decimal(_, let old)? = writer.nodes[pair.writer].logicalType,
                case .decimal(_, let new)? = reader.nodes[pair.reader].logicalType, old != new
            {
                changes.append((path.isEmpty ? "/" : path, new, old))
            }
            return changes.count < maximumDifferences
        }
        return changes
    }

    private init(reader: AvroSchema, writer: AvroSchema) { (self.reader, self.writer) = (reader, writer) }

    // MARK: Verdicts

    private mutating func explore(from root: Pair) throws(Problem) {
        var pending = [root]
        var above: [Pair: [Pair]] = [:]
        var parts = 0
        var failing: [Pair] = []
        while let pair = pending.popLast() {
            guard rules[pair] == nil else { continue }
            let rule = self.rule(pair)
            rules[pair] = rule
            var below: [Pair] = []
            switch rule {
            case .holds: break
            case .fails: failing.append(pair)
            case .all(let list):
                if list.contains(where: { $0.failure != nil }) { failing.append(pair) }
                below = list.compactMap(\.pair)
            case .any(let pairs, _):
                if pairs.isEmpty { failing.append(pair) }
                below = pairs
            }
            parts += below.count + 1
            guard parts < Self.maximumParts else {
                throw Problem(.badData, "the schemas have too many pairs of types to be compared")
            }
            for other in below {
                above[other, default: []].append(pair)
                pending.append(other)
            }
        }
        // How many of an `any` still hold.
        var left: [Pair: Int] = [:]
        while let pair = failing.popLast() {
            guard failed.insert(pair).inserted else { continue }
            for upper in above[pair] ?? [] {
                if case .any(let pairs, _)? = rules[upper] {
                    let rest = (left[upper] ?? pairs.count) - 1
                    left[upper] = rest
                    if rest > 0 { continue }
                }
                failing.append(upper)
            }
        }
    }

    private func rule(_ pair: Pair) -> Rule {
        let (read, written) = (reader.nodes[pair.reader], writer.nodes[pair.writer])
        switch (read.kind, written.kind) {
        case (_, .union(let branches)):
            let isUnion = if case .union = read.kind { true } else { false }
            return .all(
                branches.enumerated().map { place, branch in
                    Part(place: isUnion ? "/\(place)" : "", pair: Pair(reader: pair.reader, writer: branch))
                })
        case (.union(let branches), _):
            return .any(
                branches.filter { mayRead(reader.nodes[$0], written) }.map { Pair(reader: $0, writer: pair.writer) },
                detail: "reader union lacking writer type: \(written.kind.word.uppercased())")
        case (.array(let items), .array(let others)):
            return .all([Part(place: "/items", pair: Pair(reader: items, writer: others))])
        case (.map(let values), .map(let others)):
            return .all([Part(place: "/values", pair: Pair(reader: values, writer: others))])
        case (.fixed(let size), .fixed(let other)):
            var parts = names(read, written)
            if size != other {
                parts.append(failure(.size, "/size", "expected: \(other), found: \(size)"))
            }
            return .all(parts)
        case (.enumeration(let symbols, let defaultSymbol), .enumeration(let others, _)):
            var parts = names(read, written)
            let missing = Set(others).subtracting(symbols).sorted()
            if defaultSymbol == nil, !missing.isEmpty {
                parts.append(failure(.symbols, "/symbols", "[\(missing.joined(separator: ", "))]"))
            }
            return .all(parts)
        case (.record(let fields), .record(let others)):
            return .all(names(read, written) + self.fields(fields, others))
        case (.null, .null), (.boolean, .boolean), (.int, .int), (.long, .long), (.long, .int), (.float, .float),
            (.float, .int), (.float, .long), (.double, .double), (.double, .int), (.double, .long), (.double, .float),
            (.bytes, .bytes), (.bytes, .string), (.string, .string), (.string, .bytes):
            return .holds
        default:
            return .fails(
                .type, at: "",
                detail:
                    "reader type: \(read.kind.word.uppercased()) not compatible with writer type: \(written.kind.word.uppercased())"
            )
        }
    }

    /// False where one look says that a branch does not fit: unions of many types would make pairs of all with all.
    private func mayRead(_ read: AvroSchema.Node, _ written: AvroSchema.Node) -> Bool {
        switch (read.kind, written.kind) {
        case (.record, .record), (.enumeration, .enumeration), (.fixed, .fixed): names(read, written).isEmpty
        case (.record, _), (_, .record), (.enumeration, _), (_, .enumeration), (.fixed, _), (_, .fixed): false
        default: true
        }
    }

    private func failure(_ kind: SchemaDifference.Kind, _ place: String, _ detail: String) -> Part {
        Part(place: place, failure: SchemaDifference(kind: kind, path: place, detail: detail))
    }

    /// Names are compared without their namespaces, and the reader's aliases with them.
    private func names(_ read: AvroSchema.Node, _ written: AvroSchema.Node) -> [Part] {
        let (name, other) = (read.name ?? "", written.name ?? "")
        func last(_ name: String) -> Substring {
            name[(name.lastIndex(of: ".").map(name.index(after:)) ?? name.startIndex)...]
        }
        if last(name) == last(other) || read.aliases.contains(other) { return [] }
        return [failure(.name, "/name", "expected: \(other)")]
    }

    private func fields(_ fields: [AvroSchema.Field], _ others: [AvroSchema.Field]) -> [Part] {
        let written = Dictionary(others.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return fields.enumerated().compactMap { place, field in
            if let other = ([field.name] + field.aliases).lazy.compactMap({ written[$0] }).first {
                return Part(place: "/fields/\(place)/type", pair: Pair(reader: field.type, writer: other.type))
            }
            if field.defaultBytes != nil { return nil }
            return failure(.missingDefault, "/fields/\(place)", field.name)
        }
    }

    // MARK: Telling

    private mutating func report(_ root: Pair) -> [SchemaDifference] {
        var found: [SchemaDifference] = []
        var cut: String?
        walk(from: root, failedOnly: true) { pair, path in
            func add(_ kind: SchemaDifference.Kind, _ place: String, _ detail: String) {
                let path = path + place
                found.append(SchemaDifference(kind: kind, path: path.isEmpty ? "/" : path, detail: detail))
            }
            switch rules[pair] {
            case .fails(let kind, let place, let detail)?: add(kind, place, detail)
            case .all(let parts)?:
                for failure in parts.compactMap(\.failure) { add(failure.kind, failure.path, failure.detail) }
            case .any(_, let detail)?: add(.branch, "", detail)
            default: break
            }
            if path.utf8.count > Self.maximumPath, cut == nil { cut = path }
            return found.count < Self.maximumDifferences
        }
        if found.isEmpty {
            found = [SchemaDifference(kind: .type, path: String((cut ?? "/").prefix(200)) + "…", detail: "far below")]
        }
        return found
    }

    /// Each pair once, where it is met first, in the order of the reader's text; the pairs of a union's branches that were only tried are not
    /// among them where none of them fits.
    private func walk(from root: Pair, failedOnly: Bool = false, _ body: (Pair, _ path: String) -> Bool) {
        var pending = [(pair: root, path: "")]
        var seen: Set<Pair> = []
        while let (pair, path) = pending.popLast() {
            guard seen.insert(pair).inserted else { continue }
            guard body(pair, path) else { return }
            guard path.utf8.count <= Self.maximumPath else { continue }
            switch rules[pair] {
            case .all(let parts)?:
                for part in parts.reversed() {
                    guard let below = part.pair, !failedOnly || failed.contains(below) else { continue }
                    pending.append((below, path + part.place))
                }
            case .any(let pairs, _)? where !failedOnly:
                // What is written is read as the first that fits.
                if let below = pairs.first(where: { !failed.contains($0) }) { pending.append((below, path)) }
            default: break
            }
        }
    }
}
