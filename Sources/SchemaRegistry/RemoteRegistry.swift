internal import Basics
internal import Foundation
internal import HTTP
public import Problems
internal import Synchronization

/// A registry that others serve, as Confluent's, Karapace and Apicurio (below `/apis/ccompat/v7`) do.
///
/// What passes by itself (408, 429, 500, 502-504, no answer) is asked again, with longer and longer pauses. Redirects are not followed: the
/// secret would go to whoever the answer names. What was registered never changes, so that each id and each text is asked for once.
public final class RemoteRegistry: SchemaRegistry {
    private let access: RegistryAccess
    private let isStopped: @Sendable () -> Bool
    private let pause: @Sendable (_ ms: Int64) -> Void
    private let timeoutMs: Int64
    private let cache = Mutex(Cache())

    private struct Cache {
        var texts: [Int32: String] = [:]
        var registered: [Key: RegisteredSchema] = [:]
    }
    private struct Key: Hashable {
        var subject: String
        var schema: String
    }

    /// How often a question is asked, and how long the first pause is; each further one is twice as long.
    static let attempts = 6
    static let firstPauseMs: Int64 = 100
    /// A registry may say how long to wait; nobody waits longer.
    private static let longestPauseMs: Int64 = 10_000
    /// Schemas are texts that people write: more is no answer.
    private static let bodyLimitBytes = 8 << 20

    /// - Parameters:
    ///   - timeoutMs: for one answer.
    ///   - isStopped: true gives up waiting.
    ///   - pause: waits before a question is asked again; nil sleeps.
    public init(
        _ access: RegistryAccess, timeoutMs: Int64 = 10_000, isStopped: @escaping @Sendable () -> Bool = { false },
        pause: (@Sendable (_ ms: Int64) -> Void)? = nil
    ) {
        (self.access, self.timeoutMs, self.isStopped) = (access, timeoutMs, isStopped)
        self.pause = pause ?? { Thread.sleep(forTimeInterval: Double($0) / 1000) }
    }

    /// What messages call it.
    public var place: String { "the registry at \(access.url)" }

    public func register(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema {
        if let found = cached(schema, subject) { return found }
        let path = "/subjects/\(Self.escaped(subject))/versions"
        let answer = try ask("POST", path, schema: schema)
        if answer.status == 409 {
            throw Problem(
                .badData, "the schema is not compatible with those of subject \"\(subject)\": \(answer.detail)",
                hint: "taxi-cli schema check says each reason.")
        }
        if answer.status == 422 {
            throw Problem(.badData, "\(place) does not take the schema for subject \"\(subject)\": \(answer.detail)")
        }
        let id: IDAnswer = try decode(answer, path)
        // Which version it became, older registries do not say.
        if let version = id.version {
            return keep(RegisteredSchema(subject: subject, version: version, id: id.id, schema: schema), schema)
        }
        guard let found = try find(schema, under: subject) else {
            throw strange(path, "it has registered a schema that it cannot find")
        }
        return found
    }

    public func find(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema? {
        if let found = cached(schema, subject) { return found }
        let path = "/subjects/\(Self.escaped(subject))"
        let answer = try ask("POST", path, schema: schema)
        if answer.status == 404 { return nil }
        return keep(try found(answer, path, subject), schema)
    }

    public func schema(id: Int32) throws(Problem) -> String? {
        if let text = cache.withLock({ $0.texts[id] }) { return text }
        let path = "/schemas/ids/\(id)"
        let answer = try ask("GET", path)
        if answer.status == 404 {
            // Any web server says 404: only the registry's own means that it has no such schema.
            guard answer.errorCode == 40403 else {
                throw strange(path, "404 without the code of a registry", hint: "Check the path in --registry.")
            }
            return nil
        }
        let found: TextAnswer = try decode(answer, path)
        cache.withLock { $0.texts[id] = found.schema }
        return found.schema
    }

    public func latest(of subject: String) throws(Problem) -> RegisteredSchema? {
        let path = "/subjects/\(Self.escaped(subject))/versions/latest"
        let answer = try ask("GET", path)
        return answer.status == 404 ? nil : try found(answer, path, subject)
    }

    public func incompatibilities(of schema: String, under subject: String) throws(Problem) -> [String] {
        let base = "/compatibility/subjects/\(Self.escaped(subject))/versions"
        var path = base + "?verbose=true"
        var answer = try ask("POST", path, schema: schema)
        if answer.status == 404 || answer.status == 405 {
            // Older registries compare with one version alone.
            path = base + "/latest?verbose=true"
            answer = try ask("POST", path, schema: schema)
        }
        if answer.status == 404 { return [] }
        if answer.status == 422 { return [answer.detail] }
        let verdict: VerdictAnswer = try decode(answer, path)
        if verdict.is_compatible { return [] }
        let messages = (verdict.messages ?? []).filter { !$0.isEmpty }
        return messages.isEmpty ? ["\(place) does not say why"] : messages
    }
}

// MARK: - Questions and answers

extension RemoteRegistry {
    struct Answer {
        var status: Int
        var body: [UInt8]
        var errorCode: Int?
        /// What the registry says of a refusal.
        var detail: String
        var reason: String { detail == "status \(status)" ? "" : ", \(detail)" }
    }
    private struct ErrorAnswer: Decodable {
        var error_code: Int?
        var message: String?
    }
    private struct IDAnswer: Decodable {
        var id: Int32
        var version: Int?
    }
    private struct TextAnswer: Decodable { var schema: String }
    private struct FoundAnswer: Decodable {
        var version: Int
        var id: Int32
        var schema: String
    }
    private struct VerdictAnswer: Decodable {
        var is_compatible: Bool
        var messages: [String]?
    }
    private struct Question: Encodable { var schema: String }

    func found(_ answer: Answer, _ path: String, _ subject: String) throws(Problem) -> RegisteredSchema {
        let found: FoundAnswer = try decode(answer, path)
        return RegisteredSchema(subject: subject, version: found.version, id: found.id, schema: found.schema)
    }

    /// Looks anew from now on: what was deleted is not what it was.
    func forget() { cache.withLock { $0 = Cache() } }

    private func cached(_ schema: String, _ subject: String) -> RegisteredSchema? {
        cache.withLock { $0.registered[Key(subject: subject, schema: schema)] }
    }

    /// - Parameter schema: as it was asked for, which the registry may write otherwise.
    private func keep(_ found: RegisteredSchema, _ schema: String) -> RegisteredSchema {
        cache.withLock { $0.registered[Key(subject: found.subject, schema: schema)] = found }
        return found
    }

    private func ask(_ method: String, _ path: String, schema: String) throws(Problem) -> Answer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let body = try? encoder.encode(Question(schema: schema)) else {
            throw Problem(.software, "a schema's text cannot be written as JSON")
        }
        return try ask(method, path, body: .bytes(Array(body)))
    }

    /// Asks until there is an answer that asking again would not change.
    ///
    /// - Throws: `.unavailable` where there is none, `.noPermission` where the registry does not let us in.
    func ask(_ method: String, _ path: String, body: HTTPRequest.Body = .none) throws(Problem) -> Answer {
        var request = access.request(method, path, body: body)
        request.timeoutMs = timeoutMs
        request.bodyLimitBytes = Self.bodyLimitBytes
        var pauseMs = Self.firstPauseMs
        for attempt in 1... {
            var waitMs = pauseMs
            do throws(Problem) {
                let response = try request.send(isStopped: isStopped)
                let answer = try answer(response, request.place)
                guard Self.passes.contains(answer.status) else { return answer }
                if let seconds = response["Retry-After"].flatMap({ Int64($0) }), seconds >= 0 {
                    waitMs = max(pauseMs, min(seconds, Self.longestPauseMs / 1000) * 1000)
                }
                guard attempt < Self.attempts else {
                    throw Problem(
                        .unavailable, "\(place) is not able to answer: status \(answer.status)\(answer.reason)",
                        hint: "Nothing was lost; start again when it is.")
                }
            } catch {
                guard error.code == .unavailable, attempt < Self.attempts, !isStopped() else { throw error }
            }
            if isStopped() { throw Problem(.tryAgain, "the request to \(request.place) was stopped") }
            pause(waitMs)
            pauseMs *= 2
        }
        preconditionFailure("a loop without end has ended")
    }

    /// Statuses that may be others by the next time.
    private static let passes: Set<Int> = [408, 429, 500, 502, 503, 504]

    private func answer(_ response: HTTPResponse, _ asked: String) throws(Problem) -> Answer {
        guard response.bodyIsWhole else {
            throw Problem(
                .badData, "\(asked) answers with \(response.bodyBytes) bytes, which no schema has",
                hint: "Check that --registry names a registry.")
        }
        let told = try? JSONDecoder().decode(ErrorAnswer.self, from: Data(response.body))
        let detail = told?.message.map { String($0.prefix(1000)) } ?? "status \(response.status)"
        switch response.status {
        case 300..<400:
            let target = response["Location"].map { HTTPRequest("GET", $0).place } ?? ""
            throw Problem(
                .configuration, "\(asked) sends on to \(target.isEmpty ? "another place" : target)",
                hint: "Name that place with --registry; nobody is followed to where a secret was not meant to go.")
        case 401, 403:
            throw Problem(
                .noPermission, "\(place) does not let this user in: \(detail)",
                hint: "Name a user and password, or a token, in the file of --registry-config.")
        default: break
        }
        return Answer(status: response.status, body: response.body, errorCode: told?.error_code, detail: detail)
    }

    func decode<Value: Decodable>(_ answer: Answer, _ path: String) throws(Problem) -> Value {
        guard (200..<300).contains(answer.status) else { throw strange(path, answer.detail) }
        do { return try JSONDecoder().decode(Value.self, from: Data(answer.body)) } catch {
            throw strange(path, "it is not the JSON of a registry", hint: "Check the URL of --registry.")
        }
    }

    func strange(_ path: String, _ what: String, hint: String? = nil) -> Problem {
        Problem(
            .unavailable, "the answer of \(HTTPRequest("GET", access.url + path).place) cannot be used: \(what)",
            hint: hint)
    }

    /// A subject as a part of a path.
    static func escaped(_ subject: String) -> String { percentEncoded(subject.utf8) }
}
