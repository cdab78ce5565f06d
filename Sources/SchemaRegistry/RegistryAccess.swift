internal import Foundation
internal import HTTP
public import Problems

/// Where a registry is, and who asks.
public struct RegistryAccess: Sendable {
    /// Without a slash at its end.
    public let url: String
    /// The value of the header Authorization; secret.
    private(set) var authorization: String?
    /// A file of certificates, in place of the machine's.
    private(set) var caFile: String?

    private static let basic = "basic.auth.user.info"
    private static let bearer = "bearer.auth.token"
    private static let ca = "ssl.ca.location"

    /// - Parameters:
    ///   - url: `http://` or `https://`, with a path where the registry lies below one.
    ///   - configuration: a file of properties by the names that Confluent's clients have for them: `basic.auth.user.info` (user:password),
    ///     `bearer.auth.token`, `ssl.ca.location`.
    /// - Throws: `.usage` for what is no such URL, or has a secret in it; what `PropertyFile` throws.
    public init(url: String, configuration: String? = nil) throws(Problem) {
        self.url = String(url[..<(url.lastIndex { $0 != "/" }.map(url.index(after:)) ?? url.startIndex)])
        try Self.check(url)
        if let configuration { try read(configuration) }
    }

    /// - Throws: `.usage` for what is no URL of a registry.
    public static func check(_ url: String) throws(Problem) {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            ["http", "https"].contains(parts.scheme ?? "")
        else {
            throw Problem(
                .usage, "\"\(HTTPRequest("GET", url).place)\" is no URL of a registry",
                hint: "Write it as http://host:port or https://host, with a path where it has one.")
        }
        guard parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil else {
            throw Problem(
                .usage, "the URL of the registry has a user, password or query in it",
                hint: "Others can see arguments. Put the secret into the file of --registry-config (mode 0600).")
        }
    }

    private mutating func read(_ path: String) throws(Problem) {
        let known = [Self.basic, Self.bearer, Self.ca]
        let file = try PropertyFile(path, option: "--registry-config") { key, value in
            guard known.contains(key) else {
                return Problem(
                    .configuration, "there is no property \"\(key)\" of a registry",
                    hint: "There are: \(known.joined(separator: ", ")).")
            }
            guard !value.isEmpty, value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
                return Problem(.configuration, "the property \"\(key)\" has no value that could be sent")
            }
            return key == Self.basic && !value.contains(":")
                ? Problem(.configuration, "the property \"\(key)\" has no colon", hint: "Write user:password.") : nil
        }
        try file.requirePrivate([Self.basic, Self.bearer])
        for property in file.properties {
            switch property.key {
            case Self.basic: authorization = "Basic " + Data(property.value.utf8).base64EncodedString()
            case Self.bearer: authorization = "Bearer " + property.value
            default: caFile = property.value
            }
        }
        if file.properties.count(where: { $0.key != Self.ca }) > 1 {
            throw Problem(
                .configuration, "\"\(visible(path))\" has both a password and a token", hint: "Leave one of them out.")
        }
    }

    func request(_ method: String, _ path: String, body: HTTPRequest.Body = .none) -> HTTPRequest {
        var request = HTTPRequest(method, url + path, body: body)
        request.headers.append(.init("Accept", "application/vnd.schemaregistry.v1+json, application/json"))
        if case .bytes = body {
            request.headers.append(.init("Content-Type", "application/vnd.schemaregistry.v1+json"))
        }
        if let authorization { request.headers.append(.init("Authorization", authorization)) }
        request.caFile = caFile
        return request
    }
}
