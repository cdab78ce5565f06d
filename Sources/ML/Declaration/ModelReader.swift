internal import Basics
import Time
internal import Database
internal import Foundation
internal import Problems
internal import Trips
internal import Workflow
internal import YAML

/// Reads one model and collects all that is wrong with it.
struct ModelReader {
    private static let keys = [
        "name", "source", "key", "every", "on_result", "batch", "protocol", "endpoint", "headers", "request",
        "response",
        "timeout", "retries", "circuit", "concurrency", "to", "schema", "compare",
    ]
    private static let serviceKeys = [
        "endpoint", "headers", "request", "response", "timeout", "retries", "circuit", "concurrency",
    ]
    /// The topic where answers go unless said.
    static let defaultTopic = "mlResults"

    private let node: YAMLNode
    private let zone: ZoneClock
    private let folder: String
    private var problems = ProblemList()

    init(_ node: YAMLNode, zone: ZoneClock, folder: String) {
        (self.node, self.zone, self.folder) = (node, zone, folder)
    }

    mutating func read() throws(Problem) -> ModelSpec {
        let node = self.node
        guard case .mapping = node.content else { throw node.unexpected("a model") }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: Self.keys, of: "model") }
        let name = required("name") { (node) throws(Problem) in try Self.identifier(node, of: "model") }
        let source = required("source") { (node) throws(Problem) in try Self.source(node) }
        let key = required("key") { (node) throws(Problem) in try Self.texts(node, what: "column") }
        let trigger = trigger()
        let batch = optional("batch") { (node) throws(Problem) in Int(try node.integer(in: 1...100_000)) } ?? 500
        let schema = optional("schema") { (node) throws(Problem) in try Self.schema(node) } ?? []
        let to =
            optional("to") { (node) throws(Problem) in try Self.target(node) }
            ?? (topic: Self.defaultTopic, table: nil)
        let compare = optional("compare") { (node) throws(Problem) in try Self.compare(node, schema) }
        let service = service(name: name ?? "", source: source, schema: schema)
        if to.table != nil, schema.isEmpty, let place = node["to"]?["table"] {
            problems.add(
                place.problem(
                    "a table needs to know what its columns are",
                    hint: "Declare them: schema: {forecast: real}."))
        }
        for field in schema where key?.map({ $0.replacing(".", with: "_") }).contains(field.name) == true {
            problems.add(
                (node["schema"] ?? node).problem("\"\(field.name)\" is a column of the key and a field of the answers"))
        }
        try problems.throwIfAny()
        guard let name, let source, let key else { throw node.unexpected("a model") }
        return ModelSpec(
            name: name, source: source, key: key, trigger: trigger ?? .byHand, batch: batch, service: service,
            topic: to.topic, table: to.table, schema: schema, compare: compare)
    }

    // MARK: what it is asked about, and when

    private static func source(_ node: YAMLNode) throws(Problem) -> ModelSpec.Source {
        if node.scalar != nil {
            let text = try node.text()
            let word = text.prefix { $0.isLetter }.uppercased()
            return word == "SELECT" || word == "WITH" ? .sql(text) : .view(text)
        }
        try node.requireOnly(keys: ["view", "topic", "sql"], of: "source")
        let entries = try node.entries()
        guard entries.count == 1 else {
            throw node.unexpected("one source", hint: "Give view, topic or sql.")
        }
        let text = try entries[0].value.text()
        switch entries[0].name {
        case "view": return .view(text)
        case "topic": return .topic(text)
        default: return .sql(text)
        }
    }

    private mutating func trigger() -> ModelSpec.Trigger? {
        if let every = node["every"], node["on_result"] != nil {
            problems.add(every.problem("it is asked either at times or when results come", hint: "Leave one out."))
        }
        if let name = optional("on_result", { (node) throws(Problem) in try node.text() }) { return .result(name) }
        return optional("every") { [zone] (node) throws(Problem) in
            let text = try node.text()
            if let ms = parseDurationMs(text) {
                guard ms >= 1000 else { throw node.problem("\"\(text)\" is less than a second") }
                return .interval(ms: ms)
            }
            do throws(Cron.Mistake) { return .cron(Schedule(try Cron(text), zone: zone)) } catch {
                throw node.problem(
                    error.message, atByteOfText: error.offset,
                    hint: error.hint ?? "Write an interval, such as 15m, or the five fields of cron.")
            }
        }
    }

    private static func schema(_ node: YAMLNode) throws(Problem) -> [ModelSpec.Field] {
        var problems = ProblemList()
        var fields: [ModelSpec.Field] = []
        let kinds = ModelSpec.Field.Kind.allCases.filter { $0 != .any }.map(\.rawValue)
        for entry in try node.entries() {
            problems.attempt { () throws(Problem) in
                let name = try identifier(entry.key, of: "field", dashes: false)
                var text = try entry.value.text()
                let isOptional = text.hasSuffix("?")
                if isOptional { text.removeLast() }
                guard let kind = ModelSpec.Field.Kind(rawValue: text), kind != .any else {
                    _ = try entry.value.choice(among: kinds + kinds.map { "\($0)?" }, of: "type")
                    return
                }
                fields.append(.init(name, kind, isOptional: isOptional))
            }
        }
        try problems.throwIfAny()
        return fields
    }

    private static func compare(
        _ node: YAMLNode, _ schema: [ModelSpec.Field]
    ) throws(Problem) -> ModelSpec.Compare {
        try node.requireOnly(keys: ["actual", "field", "by", "baseline"], of: "comparison")
        let place = try node.required("field")
        let field = try place.text()
        guard schema.isEmpty || schema.contains(where: { $0.name == field }) else {
            throw place.problem("\"\(field)\" is no field of the schema")
        }
        var by: [String] = []
        if let place = node["by"] { by = try texts(place, what: "column") }
        return ModelSpec.Compare(
            actual: try node.required("actual").text(), field: field, by: by, baseline: try node["baseline"]?.text())
    }

    private static func target(_ node: YAMLNode) throws(Problem) -> (topic: String?, table: String?) {
        try node.requireOnly(keys: ["topic", "table"], of: "target")
        func isOff(_ node: YAMLNode) -> Bool { !node.isQuoted && node.scalar == "false" }
        func isOn(_ node: YAMLNode) -> Bool { !node.isQuoted && node.scalar == "true" }
        var topic: String? = defaultTopic
        if let place = node["topic"] {
            topic = isOff(place) ? nil : isOn(place) ? defaultTopic : try identifier(place, of: "topic")
        }
        var table: String?
        if let place = node["table"], !isOff(place), !isOn(place), place.scalar != "ml_results" {
            let name = try identifier(place, of: "table", dashes: false)
            if let reason = TakenNames.reason(name) { throw place.problem("the name \"\(name)\" \(reason)") }
            table = name
        }
        return (topic, table)
    }

    // MARK: the service

    private mutating func service(
        name: String, source: ModelSpec.Source?, schema: [ModelSpec.Field]
    ) -> ModelService? {
        let word = optional("protocol") { (node) throws(Problem) in
            try node.choice(among: ["json", "kserve-v2", "sql"], of: "protocol")
        }
        if node["protocol"] != nil, word == nil { return nil }
        if word == "sql" {
            for key in Self.serviceKeys {
                guard let place = node[key] else { continue }
                problems.add(place.problem("\"\(key)\" is for models that a service answers for"))
            }
            return nil
        }
        let isKServe = word == "kserve-v2"
        let endpoint = required("endpoint") { (node) throws(Problem) in
            try Self.endpoint(node, model: isKServe ? name : nil)
        }
        let headers = problems.attempt { [node, folder] () throws(Problem) in
            try SecretHeaders(node["headers"], folder: folder)
        }
        let wire: ModelService.Wire? =
            isKServe
            ? problems.attempt { [node] () throws(Problem) in .kserve(try WireReader(node, schema).kserve()) }
            : problems.attempt { [node] () throws(Problem) in
                .json(try WireReader(node, schema).json(needsColumns: Self.isTopic(source)))
            }
        let timeout = optional("timeout") { (node) throws(Problem) in try Self.ms(node) } ?? 30_000
        let retries = optional("retries") { (node) throws(Problem) in try Self.retries(node) } ?? .init()
        let circuit = optional("circuit") { (node) throws(Problem) in try Self.circuit(node) } ?? .init()
        let lanes = optional("concurrency") { (node) throws(Problem) in Int(try node.integer(in: 1...64)) } ?? 1
        guard let endpoint, let headers, let wire else { return nil }
        return ModelService(
            endpoint: endpoint, headers: headers, wire: wire, timeoutMs: timeout, retries: retries, circuit: circuit,
            concurrency: lanes)
    }

    private static func isTopic(_ source: ModelSpec.Source?) -> Bool {
        if case .topic? = source { true } else { false }
    }

    /// - Parameter model: whose address of KServe V2 is meant where only the server's is given.
    private static func endpoint(_ node: YAMLNode, model: String?) throws(Problem) -> String {
        let text = try node.text()
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""), url.host() != nil else {
            throw node.unexpected("a URL", hint: "Begin it with http:// or https://.")
        }
        if url.password() != nil {
            throw node.problem(
                "a secret stands in the file",
                hint: "Send it as a header: headers: {Authorization: \"{{ env.NAME }}\"}.")
        }
        guard let model, url.path().isEmpty || url.path() == "/" else { return text }
        return "\(text.hasSuffix("/") ? String(text.dropLast()) : text)/v2/models/\(model)/infer"
    }

    /// `retries: 4`, or with its parts.
    private static func retries(_ node: YAMLNode) throws(Problem) -> ModelService.Retries {
        var retries = ModelService.Retries()
        if node.scalar != nil {
            retries.count = Int(try node.integer(in: 0...100))
            return retries
        }
        try node.requireOnly(keys: ["count", "backoff", "max"], of: "retry rule")
        if let place = node["count"] { retries.count = Int(try place.integer(in: 0...100)) }
        if let place = node["backoff"] { retries.backoffMs = try ms(place) }
        if let place = node["max"] { retries.mostMs = try ms(place) }
        retries.mostMs = max(retries.mostMs, retries.backoffMs)
        return retries
    }

    private static func circuit(_ node: YAMLNode) throws(Problem) -> ModelService.Circuit {
        try node.requireOnly(keys: ["failures", "cool_down"], of: "circuit")
        var circuit = ModelService.Circuit()
        if let place = node["failures"] { circuit.failures = Int(try place.integer(in: 1...1000)) }
        if let place = node["cool_down"] { circuit.coolDownMs = try ms(place) }
        return circuit
    }

    // MARK: helpers

    private mutating func optional<Value>(_ key: String, _ body: (YAMLNode) throws(Problem) -> Value) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try body(value) }
    }

    private mutating func required<Value>(_ key: String, _ body: (YAMLNode) throws(Problem) -> Value) -> Value? {
        problems.attempt { [node] () throws(Problem) in try body(try node.required(key)) }
    }

    private static func ms(_ node: YAMLNode) throws(Problem) -> Int64 {
        let parts = try node.duration().components
        return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
    }

    static func identifier(_ node: YAMLNode, of what: String, dashes: Bool = true) throws(Problem) -> String {
        let text = try node.text()
        let isFine = text.utf8.enumerated().allSatisfy { index, byte in
            switch byte | 0x20 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): true
            default:
                byte == UInt8(ascii: "_") || index > 0 && (48...57).contains(byte)
                    || dashes && index > 0 && byte == UInt8(ascii: "-")
            }
        }
        guard isFine, (1...64).contains(text.utf8.count) else {
            throw node.problem(
                "\"\(text)\" cannot be the name of a \(what)",
                hint: "Use up to 64 letters, digits and \"_\"\(dashes ? " and \"-\"" : ""), a letter first.")
        }
        return text
    }

    /// One text, or a list of some that differ.
    static func texts(_ node: YAMLNode, what: String) throws(Problem) -> [String] {
        if node.scalar != nil { return [try node.text()] }
        var texts: [String] = []
        for item in try node.items() {
            let text = try item.text()
            if texts.contains(text) { throw item.problem("\(what) \"\(text)\" is named twice") }
            texts.append(text)
        }
        guard !texts.isEmpty else { throw node.unexpected("at least one \(what)") }
        return texts
    }
}
