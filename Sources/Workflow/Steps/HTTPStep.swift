internal import Foundation
internal import HTTP
internal import Problems
internal import YAML

/// `http: URL`, or `http: {url, method, headers, body, expect}`: one request, whose status has to be what is expected.
struct HTTPStep: StepAction {
    static let kind = "http"
    static let outputs = ["status", "body"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in
        try HTTPStep(declaration.value)
    }
    private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    /// What `{{ steps.NAME.body }}` may be long, in bytes: it goes to the database.
    private static let bodyLimitBytes = 16 << 10

    let method: String
    let url: Template
    let headers: StepHeaders
    let body: Template?
    /// Any of 200 to 299 where it is empty.
    let expected: [Int]

    init(_ node: YAMLNode) throws(Problem) {
        if node.scalar != nil {
            (method, url, headers, body, expected) = ("GET", try node.webAddress(), StepHeaders(), nil, [])
            return
        }
        var fields = StepFields(node, keys: ["url", "method", "headers", "body", "expect"], of: Self.kind)
        let url = fields.required("url") { (node) throws(Problem) in try node.webAddress() }
        let body = fields.template("body")
        let method = fields.read("method") { (node) throws(Problem) in
            try node.choice(among: Self.methods, of: "method")
        }
        let headers = fields.read("headers") { (node) throws(Problem) in try StepHeaders(node) }
        let expected = fields.read("expect") { (node) throws(Problem) in try Self.statuses(node) }
        self.url = try fields.checked(url)
        (self.body, self.headers, self.expected) = (body, headers ?? StepHeaders(), expected ?? [])
        self.method = method ?? (body == nil ? "GET" : "POST")
    }

    /// `200` or `[200, 404]`
    private static func statuses(_ node: YAMLNode) throws(Problem) -> [Int] {
        if node.scalar != nil { return [Int(try node.integer(in: 100...599))] }
        let items = try node.items()
        guard !items.isEmpty else {
            throw node.unexpected("a status, or a list of them", hint: "Leave it out for 200 to 299.")
        }
        var statuses: [Int] = []
        for item in items { statuses.append(Int(try item.integer(in: 100...599))) }
        return statuses
    }

    var templates: [Template] { [url] + headers.templates + (body.map { [$0] } ?? []) }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        var request = HTTPRequest(method, try attempt.fill(url), headers: try headers.fill(attempt))
        if let body { request.body = .bytes(Array(try attempt.fill(body).utf8)) }
        return try attempt.send(request) { response in
            // Masked before it is cut: half a secret is not recognised.
            let text = String(
                decoding: attempt.log.masked(response.text).utf8.prefix(Self.bodyLimitBytes), as: UTF8.self)
            let outputs = ["status": "\(response.status)", "body": text]
            let isExpected = expected.isEmpty ? response.isSuccess : expected.contains(response.status)
            if isExpected { return AttemptEnd(state: .success, outputs: outputs) }
            return AttemptEnd(state: .failed, error: Self.unexpected(response, attempt.log), outputs: outputs)
        }
    }

    /// The status, and the first line of what was said with it.
    static func unexpected(_ response: HTTPResponse, _ log: StepLog) -> String {
        let said =
            log.masked(response.text).split(whereSeparator: \.isNewline).first.map { ": \($0.prefix(200))" } ?? ""
        let text = "answered with status \(response.status)\(said)"
        log.add(line: text)
        return text
    }
}

/// The headers of a request, in the file's order.
struct StepHeaders: Sendable {
    private(set) var all: [(name: String, value: Template)] = []
    /// Headers whose values are secret whatever they say.
    private static let secret = ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"]

    init() {}

    init(_ node: YAMLNode?) throws(Problem) {
        for entry in try node?.entries() ?? [] {
            let value = try entry.value.template()
            let isReference = value.references.contains { reference, _ in
                switch reference {
                case .environment, .file: true
                default: false
                }
            }
            guard isReference || !Self.secret.contains(entry.name.lowercased()) else {
                throw entry.value.problem(
                    "a secret stands in the file",
                    hint: "Write \"{{ env.NAME }}\" or \"{{ file:PATH }}\" for it; that of a file has mode 0600.")
            }
            all.append((entry.name, value))
        }
    }

    var templates: [Template] { all.map(\.value) }

    func fill(_ attempt: StepAttempt) throws -> [HTTPRequest.Header] {
        try all.map { HTTPRequest.Header($0.name, try attempt.fill($0.value)) }
    }
}
