import Database
public import HTTPServer
import Monitoring
import Problems
import Reports
import SchemaRegistry
import Synchronization

/// The registries of tenants that somebody has asked for; each keeps its database open.
final class Registries: Sendable {
    private let open = Mutex<[String: LocalRegistry]>([:])

    func registry(of home: TenantHome) -> LocalRegistry {
        open.withLock { open in
            if let found = open[home.path] { return found }
            let registry = LocalRegistry(path: home.schemasDB)
            open[home.path] = registry
            return registry
        }
    }
}

extension WatchServer {
    /// What is said of a body that is too large.
    public static let tooLarge: @Sendable (HTTPServerRequest) -> HTTPServerResponse = { request in
        if registryPlace(request.path) != nil { return RegistryService.tooLarge }
        return HTTPServerResponse(413, type: plain, "the body is too large\n")
    }

    /// `/registry/…` is the registry of the home's only tenant, or of the default one; `/t/{tenant}/registry/…` that of any.
    ///
    /// - Returns: the tenant, nil where none is named, and the registry's own part of the address; nil for another page.
    private static func registryPlace(_ path: String) -> (tenant: String?, path: String)? {
        let parts = path.split(separator: "/")
        if parts.first == "registry" { return (nil, parts.dropFirst().joined(separator: "/")) }
        guard parts.count > 2, parts[0] == "t", parts[2] == "registry" else { return nil }
        return (String(parts[1]), parts.dropFirst(3).joined(separator: "/"))
    }

    /// The answer of a tenant's registry; nil for what is no address of one.
    func registry(_ request: HTTPServerRequest) -> HTTPServerResponse? {
        guard !options.isMetricsOnly, let place = Self.registryPlace(request.path) else { return nil }
        let cookie = Self.cookie(Self.tokenCookie, in: request)
        do {
            let names = try home.tenants()
            let name = place.tenant ?? (names.count == 1 ? names[0] : TenantHome.defaultTenant)
            // Who may not ask is not told which tenants there are.
            let isAllowed = rules.isKnown(to: request, given: cookie) && rules.foreignHost(of: request) == nil
            guard !isAllowed || names.contains(name) else {
                return RegistryService.response(
                    to: RegistryRefusal(404, "There is no tenant \"\(name)\": name one, as in /t/TENANT/registry"))
            }
            let tenantHome = isAllowed ? try home.tenant(name).watched.home : nil
            let registry = tenantHome.map(registries.registry) ?? LocalRegistry(path: "")
            return RegistryService(registry, rules, isReadOnly: options.isReadOnly)
                .answer(request, path: place.path, given: cookie)
        } catch {
            let message = (error as? Problem)?.message ?? "\(error)"
            return RegistryService.response(to: RegistryRefusal(50001, "The tenant cannot be looked at: \(message)"))
        }
    }
}

// MARK: - Pages

extension WatchServer {
    func schemasPage(_ name: String) throws -> HTTPServerResponse {
        let registry = registries.registry(of: try home.tenant(name).watched.home)
        var table = PageTable(columns: ["subject", "versions", "latest", "id", "compatibility"])
        for subject in try registry.subjectNames(deleted: false) {
            let latest = try registry.schema(.latest, of: subject, deleted: false)
            table.rows.append([
                subject, "\(try registry.versionNumbers(of: subject, deleted: false).count)", "\(latest.version)",
                "\(latest.id)", try registry.compatibility(of: subject).rawValue,
            ])
        }
        let level = try registry.compatibility(of: nil).rawValue
        let shown = HTML.table(
            table, caption: "Subjects of the tenant's registry",
            empty: "There are no schemas yet: taxi-cli schema register makes the first."
        ) { row, column in
            column == 0 ? row[0].map { "/t/\(HTML.inPath(name))/schemas/\(HTML.inPath($0))" } : nil
        }
        let address = "\(options.hasTLS ? "https" : "http")://…/t/\(HTML.inPath(name))/registry"
        return try page(
            "Schemas", tenant: name, section: "schemas", isLive: true,
            "<p>Subjects without a level of their own have \(escaped(level)). Stock clients find the registry at <code>\(escaped(address))</code>, or by <code>taxi-cli schema serve</code>.</p><div data-part=\"schemas\">\(shown)</div>"
        )
    }

    func schemaPage(_ request: HTTPServerRequest, _ name: String, subject: String) throws -> HTTPServerResponse {
        let registry = registries.registry(of: try home.tenant(name).watched.home)
        let numbers = try registry.versionNumbers(of: subject, deleted: false)
        guard let last = numbers.last else { throw Refusal(404, "there is no subject \"\(subject)\"") }
        func asked(_ parameter: String) -> Int? {
            request.parameter(parameter).flatMap { Int($0) }.flatMap { numbers.contains($0) ? $0 : nil }
        }
        let version = asked("version") ?? last
        let against = asked("against") ?? numbers.last { $0 < version }
        let schema = try registry.schema(.number(version), of: subject, deleted: false)
        func choice(_ label: String, _ parameter: String, _ chosen: Int?) -> String {
            let choices = numbers.reversed().map { "<option\($0 == chosen ? " selected" : "")>\($0)</option>" }
            return "<label>\(label) <select name=\"\(parameter)\">\(choices.joined())</select></label>"
        }
        var html =
            "<dl class=\"cards\">"
            + [
                ("Version", "\(schema.version) of \(numbers.count)"), ("Id", "\(schema.id)"),
                ("Compatibility", try registry.compatibility(of: subject).rawValue),
            ].map { "<div class=\"card\"><dt>\($0)</dt><dd>\(escaped($1))</dd></div>" }.joined() + "</dl>"
        html += "<form data-auto class=\"controls\" method=\"get\">" + choice("Version", "version", version)
        if numbers.count > 1 { html += choice("compared with", "against", against) }
        html += "<noscript><button>Show</button></noscript></form>"
        let lines = try SchemaLines.lines(of: schema.schema, file: subject)
        if let against, against != version {
            let old = try registry.schema(.number(against), of: subject, deleted: false)
            html += "<h2>What version \(version) changed since version \(against)</h2>"
            html += Self.difference(from: try SchemaLines.lines(of: old.schema, file: subject), to: lines)
        }
        html +=
            "<h2>Version \(version)</h2><pre class=\"schema\" tabindex=\"0\">\(escaped(lines.map { visible($0) }.joined(separator: "\n")))</pre>"
        return try page(subject, tenant: name, section: "schemas", html)
    }

    /// Lines that stay, go and come; signs tell them apart where colours do not.
    private static func difference(from old: [String], to new: [String]) -> String {
        var html = "<pre class=\"schema diff\" tabindex=\"0\">"
        for line in SchemaLines.difference(from: old, to: new) {
            switch line {
            case .same(let text): html += "  \(escaped(visible(text)))\n"
            case .removed(let text): html += "<del>- \(escaped(visible(text)))</del>"
            case .added(let text): html += "<ins>+ \(escaped(visible(text)))</ins>"
            }
        }
        return html + "</pre>"
    }
}
