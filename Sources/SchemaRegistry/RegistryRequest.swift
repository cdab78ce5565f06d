internal import Avro
internal import HTTPServer
internal import Problems

/// One request to a registry: which address it is for, and what is given with it.
struct RegistryRequest {
    let service: RegistryService
    let request: HTTPServerRequest
    var registry: LocalRegistry { service.registry }

    init(_ service: RegistryService, _ request: HTTPServerRequest) { (self.service, self.request) = (service, request) }

    /// What is asked for, where a HEAD is a GET.
    var method: String { request.method == "HEAD" ? "GET" : request.method }

    func answer(_ path: String) throws(RegistryRefusal) -> HTTPServerResponse {
        var parts = path.split(separator: "/").map(String.init)
        var context = ""
        if parts.first == "contexts", parts.count > 2 {
            // `.berlin` and `:.berlin:` are one.
            let name = parts[1].split(separator: ":").first.map(String.init) ?? "."
            context = String(name.drop { $0 == "." })
            parts.removeFirst(2)
        }
        let place = RegistryPlace(parts, context: context)
        switch parts.first {
        case nil: return RegistryService.response("{}")
        case "subjects": return try subjects(place)
        case "schemas": return try schemas(parts)
        case "config": return try config(place)
        case "mode": return try mode(place)
        case "compatibility" where parts.dropFirst().first == "subjects":
            return try compatibility(RegistryPlace(Array(parts.dropFirst()), context: context))
        case "contexts" where parts.count == 1: return try contexts()
        // Which topic goes with which subject is nobody's to say here: clients go by their own strategy.
        case "associations" where method == "GET": return RegistryService.response("[]")
        default: throw Self.notFound
        }
    }

    static let notFound = RegistryRefusal(404, "HTTP 404 Not Found")
    static let notAllowed = RegistryRefusal(405, "HTTP 405 Method Not Allowed")

    func reply(_ value: JSONValue) -> HTTPServerResponse {
        var text = ""
        value.write(to: &text)
        return RegistryService.response(text)
    }

    func requireChanges() throws(RegistryRefusal) {
        if service.isReadOnly { throw .notPermitted("This server only shows: it was started with --read-only") }
    }

    // MARK: What comes with it

    /// A flag of the query: `true`, `True`, or its name alone.
    func isOn(_ name: String) -> Bool {
        request.parameter(name).map { ["true", "", "1"].contains($0.lowercased()) } ?? false
    }

    var deleted: DeletedChoice { isOn("deletedOnly") ? .deletedOnly : isOn("deleted") ? .all : .live }

    /// The part of a list that `offset` and `limit` ask for.
    func page<Element>(_ items: [Element]) -> [Element] {
        let offset = request.parameter("offset").flatMap { Int($0) } ?? 0
        let limit = request.parameter("limit").flatMap { Int($0) } ?? -1
        let rest = items.dropFirst(max(0, offset))
        return Array(limit >= 0 ? rest.prefix(limit) : rest)
    }

    /// The members of the body.
    func body() throws(RegistryRefusal) -> [String: JSONValue] {
        let value: JSONValue
        do throws(Problem) { value = try JSONValue(request.body, file: "body") } catch {
            throw RegistryRefusal(400, "Unreadable body: \(error.message)")
        }
        guard case .object(let members) = value else {
            throw RegistryRefusal(400, "Unreadable body: expected an object")
        }
        return Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    /// The schema of a body.
    ///
    /// - Throws: 42201.
    func schema(_ body: [String: JSONValue]) throws(RegistryRefusal) -> SchemaText {
        switch body["schemaType"] ?? .null {
        case .null: break
        case .string(let type) where type.uppercased() == "AVRO": break
        case .string(let type):
            throw RegistryRefusal(42201, "Invalid schema type \(visible(type)): only AVRO is kept here")
        default: throw RegistryRefusal(42201, "Invalid schema type: expected a text")
        }
        switch body["references"] ?? .null {
        case .null, .array([]): break
        default:
            throw RegistryRefusal(
                42201,
                "Invalid schema: references to other schemas are not kept here; write the types that are referred to into the schema itself"
            )
        }
        guard case .string(let text)? = body["schema"] else {
            throw RegistryRefusal(42201, "Empty schema: the body has no text \"schema\"")
        }
        return try SchemaText(text, normalize: isOn("normalize"))
    }

    func number(_ name: String, _ body: [String: JSONValue]) throws(RegistryRefusal) -> Int? {
        switch body[name] ?? .null {
        case .null: return nil
        case .number(let digits):
            // -1 and 0 are what some clients send for none.
            if let number = Int(digits) { return number > 0 ? number : nil }
            fallthrough
        default: throw RegistryRefusal(42202, "\"\(name)\" is a number from 1 to 2^31-1")
        }
    }

    // MARK: What is answered

    /// Whether a client passes over members that it does not know; clients of today say so.
    private var takesMore: Bool { request.headers["confluent-accept-unknown-properties"]?.lowercased() == "true" }

    func described(_ version: StoredVersion) -> JSONValue {
        let schema = version.schema
        var members: [JSONValue.Member] = [
            .init(name: "subject", value: .string(schema.subject)),
            .init(name: "version", value: .number("\(schema.version)")),
            .init(name: "id", value: .number("\(schema.id)")),
        ]
        if takesMore { members.append(.init(name: "guid", value: .string(version.guid))) }
        members.append(.init(name: "schema", value: .string(schema.schema)))
        if takesMore, version.isDeleted { members.append(.init(name: "deleted", value: .bool(true))) }
        return .object(members)
    }

    static func numbers(_ numbers: [Int]) -> JSONValue { .array(numbers.map { .number("\($0)") }) }
    static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
    static func object(_ name: String, _ value: JSONValue) -> JSONValue { .object([.init(name: name, value: value)]) }
}

/// The parts of an address behind its first: a subject, which may have slashes in it, and what is asked of it.
struct RegistryPlace {
    /// nil where none is named; an empty one names the context.
    var subject: String?
    /// `versions`, a version, `schema`: what stands behind the subject.
    var rest: [String] = []
    /// With its colons, or empty.
    var context: String

    init(_ parts: [String], context: String) {
        self.context = context.isEmpty ? "" : ":.\(context):"
        let behind = Array(parts.dropFirst())
        guard !behind.isEmpty else { return }
        // `versions` may be the subject's own name: the last one counts, and not the first part.
        let end = behind.indices.last { $0 > 0 && behind[$0] == "versions" } ?? behind.endIndex
        let name = behind[..<end].joined(separator: "/")
        rest = Array(behind[end...])
        subject = SubjectName(name.hasPrefix(":.") ? name : self.context + name).text
    }
}
