public import HTTPServer
import Foundation
import Monitoring
import Telemetry
import Problems
public import Time
import Trips

/// Who may look, and at what.
public struct WatchOptions: Sendable {
    /// `/metrics` and the health addresses alone, without pages.
    public var isMetricsOnly = false
    /// Without buttons that change something.
    public var isReadOnly = false
    /// What a client has to know, where anybody can reach the server; nil for none.
    public var token: String?
    /// Whether clients come by https.
    public var hasTLS = false
    public var version: String

    public init(version: String) { self.version = version }
}

/// Answers requests: metrics, health, and the pages of a dashboard.
public final class WatchServer: Sendable {
    let home: any WatchedHome
    let options: WatchOptions
    let looks: Looks
    let events: Events
    let clock: any WallClock
    /// Of this process: a page that another site has made does not know it.
    let sessionToken: String
    let rules: AccessRules
    let registries = Registries()

    /// - Parameter address: where the server listens; see `HTTPServer.address`.
    public init(
        _ home: any WatchedHome, options: WatchOptions, isLoopback: Bool, clock: any WallClock = SystemClock.shared
    ) {
        (self.home, self.options, self.clock) = (home, options, clock)
        rules = AccessRules(isLoopback: isLoopback, token: options.token, hasTLS: options.hasTLS)
        looks = Looks(home, clock: clock)
        events = Events(home)
        var generator = SystemRandomNumberGenerator()
        sessionToken = (0..<4).map { _ in Self.hex(generator.next()) }.joined()
    }

    private static func hex(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// Begins to look once a second for those who watch, and for the history.
    public func start() {
        events.start(looks: looks) { [weak self] name in
            guard let self else { return "{}" }
            return Self.encode(try nowReport(name))
        }
    }

    public func stop() { events.stop() }

    public func answer(_ request: HTTPServerRequest) -> HTTPServerResponse {
        if let response = registry(request) { return response }
        var response: HTTPServerResponse
        do {
            response = try route(request)
        } catch {
            response = answer(to: error, request)
        }
        // Of two policies a browser keeps to both.
        for header in Self.safety where !response.headers.contains(where: { $0.name == header.0 }) {
            response.headers.append(header)
        }
        return response
    }

    static let plain = "text/plain; charset=utf-8"
    static let json = "application/json; charset=utf-8"
    static let html = "text/html; charset=utf-8"

    /// No script but our own, no frame, no guessing of types.
    private static let safety = [
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"), ("X-Frame-Options", "DENY"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]

    static func encode(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "+Inf", negativeInfinity: "-Inf", nan: "NaN")
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

// MARK: - Who may ask

extension WatchServer {
    private func checkHost(_ request: HTTPServerRequest) throws(Refusal) {
        guard let name = rules.foreignHost(of: request) else { return }
        throw Refusal(421, "this server answers to localhost and 127.0.0.1, not to \"\(name)\"")
    }

    private func checkToken(_ request: HTTPServerRequest) throws(Refusal) {
        if rules.isKnown(to: request, given: Self.cookie(Self.tokenCookie, in: request)) { return }
        throw Refusal(
            401, "this server wants a token: Authorization: Bearer …, or log in at /login",
            headers: [("WWW-Authenticate", "Bearer")])
    }

    static let tokenCookie = "taxi_token"

    static func cookie(_ name: String, in request: HTTPServerRequest) -> String? {
        for part in (request.headers["cookie"] ?? "").split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if pair.count == 2, pair[0] == name { return pair[1].removingPercentEncoding }
        }
        return nil
    }

    /// Only pages of this server may change something: they know its token, and browsers tell where they come from.
    private func checkAction(_ request: HTTPServerRequest) throws(Refusal) {
        if options.isReadOnly { throw Refusal(403, "this server only shows: it was started with --read-only") }
        if let reason = rules.foreignPage(of: request) { throw Refusal(403, reason) }
        let form = Self.form(request)
        let given = request.headers["x-taxi-session"] ?? form["session"] ?? ""
        guard AccessRules.isSame(given, sessionToken) else {
            throw Refusal(403, "this page is of an earlier server: load it again")
        }
    }

    static func form(_ request: HTTPServerRequest) -> [String: String] {
        guard request.headers["content-type"]?.hasPrefix("application/x-www-form-urlencoded") == true else {
            return [:]
        }
        var form: [String: String] = [:]
        for pair in String(decoding: request.body, as: UTF8.self).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map {
                $0.replacing("+", with: " ").removingPercentEncoding ?? ""
            }
            if let name = parts.first { form[name] = parts.count > 1 ? parts[1] : "" }
        }
        return form
    }
}

// MARK: - Routes

extension WatchServer {
    private func route(_ request: HTTPServerRequest) throws -> HTTPServerResponse {
        try checkHost(request)
        guard ["GET", "HEAD", "POST"].contains(request.method) else {
            throw Refusal(405, "\(request.method) is not known here", headers: [("Allow", "GET, HEAD, POST")])
        }
        if !options.isMetricsOnly, let asset = Asset.all[request.path] { return asset.response }
        if request.path == "/login", !options.isMetricsOnly { return try login(request) }
        do { try checkToken(request) } catch {
            guard !options.isMetricsOnly, request.headers["accept"]?.contains("text/html") == true else { throw error }
            return redirect("/login")
        }
        if request.method == "POST" { try checkAction(request) }
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        switch (parts.first, parts.count) {
        case ("metrics", 1): return try metrics(request)
        case ("healthz", 1): return try health(request, isReadiness: false)
        case ("readyz", 1): return try health(request, isReadiness: true)
        default: break
        }
        guard !options.isMetricsOnly else { throw Refusal(404, "there is /metrics, /healthz and /readyz here") }
        return try pages(request, parts)
    }

    private func login(_ request: HTTPServerRequest) throws -> HTTPServerResponse {
        guard let token = options.token else { return redirect("/") }
        guard request.method == "POST" else { return HTTPServerResponse(type: Self.html, Page.login(failed: false)) }
        let given = Self.form(request)["token"] ?? ""
        guard AccessRules.isSame(given, token) else {
            return HTTPServerResponse(403, type: Self.html, Page.login(failed: true))
        }
        var response = redirect("/")
        let value = token.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        response.headers.append(
            (
                "Set-Cookie",
                "\(Self.tokenCookie)=\(value); HttpOnly; SameSite=Strict; Path=/\(options.hasTLS ? "; Secure" : "")"
            ))
        return response
    }

    func redirect(_ path: String) -> HTTPServerResponse {
        var response = HTTPServerResponse(303, type: Self.plain, "see \(path)\n")
        response.headers.append(("Location", path))
        return response
    }

    private func metrics(_ request: HTTPServerRequest) throws -> HTTPServerResponse {
        let format = Exposition.Format(accept: request.headers["accept"])
        let families = MetricFamily.all(try allLooks(), version: options.version)
        return HTTPServerResponse(type: format.contentType, Exposition.text(families, format))
    }

    func allLooks() throws -> [TenantLook] {
        try home.tenants().compactMap { name in try? looks.look(name).now }
    }

    /// `/healthz`: what is wrong, 503 where something is. `/readyz`: whether this server can answer at all.
    private func health(_ request: HTTPServerRequest, isReadiness: Bool) throws -> HTTPServerResponse {
        let wanted = request.parameter("tenant")
        let looks = try wanted.map { [try self.looks.look($0).now] } ?? allLooks()
        let report = HealthReport(looks)
        let isFine = isReadiness || report.state == "ok"
        let response = HTTPServerResponse(isFine ? 200 : 503, type: Self.json, Self.encode(report) + "\n")
        return response
    }
}

/// What `/healthz` answers.
struct HealthReport: Encodable {
    struct Tenant: Encodable {
        var tenant: String
        var state: String
        var rules: [String: Bool]
        var failing: [Finding]
    }
    struct Finding: Encodable {
        var rule: String
        var what: String
        var since: String?
        var remedy: String?
        /// - Parameter look: of the tenant, in whose zone times are told.
        init(_ finding: HealthFinding, of look: TenantLook) {
            (rule, what, remedy) = (finding.rule.rawValue, finding.what, finding.remedy)
            let clock = try? ZoneClock(identifier: look.zone)
            since = finding.sinceMs.map { clock?.iso(ms: $0) ?? RFC3339.string($0) }
        }
    }
    var state: String
    var tenants: [Tenant]

    init(_ looks: [TenantLook]) {
        tenants = looks.map { look in
            Tenant(
                tenant: look.tenant, state: look.findings.isEmpty ? "ok" : "failing",
                rules: Dictionary(uniqueKeysWithValues: look.health.map { ($0.rule.rawValue, $0.holds) }),
                failing: look.findings.map { Finding($0, of: look) })
        }
        state = tenants.allSatisfy { $0.state == "ok" } ? "ok" : "failing"
    }
}
