internal import Avro
public import HTTPServer
internal import Problems

/// What stock clients ask of a registry, over HTTP: `schema serve` and the dashboard's `/registry` answer by it.
///
/// Every error is exactly `{"error_code":n,"message":"…"}`, those of unknown addresses too, since clients in Java stop at any further member.
/// Booleans come in any case, unknown parameters and members are passed over, as is a slash at the end.
///
/// Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
public struct RegistryService: Sendable {
    let registry: LocalRegistry
    let rules: AccessRules
    let isReadOnly: Bool

    /// - Parameter isReadOnly: whether nobody may change anything through it.
    public init(_ registry: LocalRegistry, _ rules: AccessRules, isReadOnly: Bool = false) {
        (self.registry, self.rules, self.isReadOnly) = (registry, rules, isReadOnly)
    }

    /// - Parameters:
    ///   - path: the request's, without what stands before the registry's own.
    ///   - given: the token that a client has brought by another way than `Authorization`.
    public func answer(_ request: HTTPServerRequest, path: String, given: String? = nil) -> HTTPServerResponse {
        do throws(RegistryRefusal) {
            try admit(request, given)
            return try RegistryRequest(self, request).answer(path)
        } catch {
            return Self.response(to: error)
        }
    }

    private func admit(_ request: HTTPServerRequest, _ given: String?) throws(RegistryRefusal) {
        if let name = rules.foreignHost(of: request) {
            throw RegistryRefusal(421, "This server answers to localhost and 127.0.0.1, not to \"\(name)\"")
        }
        guard rules.isKnown(to: request, given: given) else {
            throw RegistryRefusal(401, "This server wants a token: as a bearer, or as the password of any user")
        }
        // Some browsers send a form, or text, anywhere.
        guard !["GET", "HEAD"].contains(request.method), let reason = rules.foreignPage(of: request) else { return }
        throw RegistryRefusal(403, reason)
    }

    /// As much as other registries take, which keep schemas in messages of Kafka. It is read before anybody knows who sends it.
    public static let bodyLimitBytes = 1 << 20
    /// What is said of more.
    public static let tooLarge = response(to: RegistryRefusal(413, "The body is too large"))

    public static func response(to refusal: RegistryRefusal) -> HTTPServerResponse {
        var text = ""
        JSONValue.object([
            .init(name: "error_code", value: .number("\(refusal.code)")),
            .init(name: "message", value: .string(refusal.message)),
        ]).write(to: &text)
        var response = Self.response(text, status: refusal.status)
        if refusal.code == 401 { response.headers.append(("WWW-Authenticate", "Basic realm=\"taxi-cli\"")) }
        return response
    }

    static func response(_ text: String, status: Int = 200) -> HTTPServerResponse {
        var response = HTTPServerResponse(status, type: "application/vnd.schemaregistry.v1+json", text)
        response.headers.append(("X-Content-Type-Options", "nosniff"))
        response.headers.append(("Cache-Control", "no-store"))
        return response
    }
}
