internal import Problems
internal import YAML

/// What a step asks to be published, with everything filled in.
public struct PublishRequest: Sendable {
    /// `postgres://…`
    public var url: String
    public var password: String?
    /// None for all.
    public var views: [String]
    public var reader: String?
}

/// `publish: URL`, or `publish: {to: URL, password, views, reader}`: public views as tables of a PostgreSQL, as `taxi-cli publish` writes
/// them; `rows`, those that were written or deleted, is its output.
struct PublishStep: StepAction {
    static let kind = "publish"
    static let outputs = ["rows"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in
        try PublishStep(declaration.value)
    }

    let url: Template
    let password: Template?
    let views: [Template]
    let reader: Template?

    init(_ node: YAMLNode) throws(Problem) {
        if node.scalar != nil {
            (url, password, views, reader) = (try Self.checked(try node.template(), node), nil, [], nil)
            return
        }
        var fields = StepFields(node, keys: ["to", "password", "views", "reader"], of: Self.kind)
        let url = fields.required("to")
        if let place = node["to"], let url {
            do throws(Problem) { _ = try Self.checked(url, place) } catch { fields.add(error) }
        }
        (password, reader) = (fields.template("password"), fields.template("reader"))
        let views = fields.read("views") { (node) throws(Problem) -> [Template] in
            if node.scalar != nil { return [try node.template()] }
            var views: [Template] = []
            for item in try node.items() { views.append(try item.template()) }
            return views
        }
        if let place = node["password"], let password, !Self.isSecret(password) {
            fields.add(
                place.problem(
                    "a password stands in the workflow",
                    hint: "Write {{ file:secrets/postgres }}, {{ env.NAME }}, or leave it to PGPASSWORD and ~/.pgpass.")
            )
        }
        self.url = try fields.checked(url)
        self.views = views ?? []
    }

    /// What only a run can fill in is looked at then.
    private static func checked(_ url: Template, _ node: YAMLNode) throws(Problem) -> Template {
        guard url.references.isEmpty else { return url }
        guard ["postgres://", "postgresql://"].contains(where: url.source.hasPrefix) else {
            throw node.unexpected("the URL of a PostgreSQL", hint: "Write postgres://USER@HOST:5432/DATABASE.")
        }
        let authority = url.source.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" && $0 != "?" }
        let user = authority.lastIndex(of: "@").map { authority[..<$0] } ?? ""
        guard !user.contains(":") else {
            throw node.problem(
                "a password stands in the workflow",
                hint: "Take it out of the URL and write password: \"{{ file:secrets/postgres }}\".")
        }
        return url
    }

    private static func isSecret(_ template: Template) -> Bool {
        template.references.contains { reference, _ in
            switch reference {
            case .environment, .file: true
            default: false
            }
        }
    }

    var templates: [Template] { [url] + views + [password, reader].compactMap { $0 } }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        guard let publish = attempt.surroundings.publish else { throw StepAttempt.unknown("publish") }
        let request = PublishRequest(
            url: try attempt.fill(url), password: try password.map(attempt.fill), views: try views.map(attempt.fill),
            reader: try reader.map(attempt.fill))
        let (rows, lines) = try attempt.interruptible { try publish(request, $0) }
        for line in lines { attempt.log.add(line: line) }
        return attempt.rows(rows)
    }
}
