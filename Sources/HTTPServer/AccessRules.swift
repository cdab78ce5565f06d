internal import Foundation

/// Who may ask a server that only this machine reaches, or that wants a token.
public struct AccessRules: Sendable {
    /// Whether only processes of this machine reach the server.
    public var isLoopback: Bool
    /// What a client has to know; nil for none.
    public var token: String?
    /// Whether clients come by https.
    public var hasTLS: Bool

    public init(isLoopback: Bool, token: String?, hasTLS: Bool) {
        (self.isLoopback, self.token, self.hasTLS) = (isLoopback, token, hasTLS)
    }

    /// The name by which a client has called the server, where that is another's: one that a browser has resolved for another site's page
    /// is not ours, wherever it leads (DNS rebinding).
    public func foreignHost(of request: HTTPServerRequest) -> String? {
        guard isLoopback, let host = request.headers["host"] else { return nil }
        var name = host
        if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") { name = String(name[..<colon]) }
        if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
        return ListenAddress.isLoopback(name) ? nil : name
    }

    /// What is wrong where a page of another site has sent a browser here; nil where nothing is.
    public func foreignPage(of request: HTTPServerRequest) -> String? {
        if let origin = request.headers["origin"],
            origin != "\(hasTLS ? "https" : "http")://\(request.headers["host"] ?? "")"
        {
            return "this action was asked for by a page of \"\(origin)\""
        }
        if let site = request.headers["sec-fetch-site"], site != "same-origin" {
            return "this action was asked for by a page of another site"
        }
        return nil
    }

    /// Whether a client knows the token: as a bearer, as the password of whatever user, as `user:password` where the token is that.
    ///
    /// - Parameter given: what it has brought by another way, such as a cookie.
    public func isKnown(to request: HTTPServerRequest, given: String? = nil) -> Bool {
        guard let token else { return true }
        if let given, Self.isSame(given, token) { return true }
        let parts = (request.headers["authorization"] ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return false }
        let value = parts[1].trimmingCharacters(in: .whitespaces)
        switch parts[0].lowercased() {
        case "bearer": return Self.isSame(value, token)
        case "basic":
            guard let data = Data(base64Encoded: value) else { return false }
            let text = String(decoding: data, as: UTF8.self)
            let password = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first
            return Self.isSame(text, token) || Self.isSame(String(password ?? ""), token)
        default: return false
        }
    }

    /// Takes as long whatever they have in common.
    public static func isSame(_ given: String, _ wanted: String) -> Bool {
        let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
        var difference = given.count ^ wanted.count
        for index in 0..<wanted.count {
            difference |= Int(wanted[index] ^ (index < given.count ? given[index] : ~wanted[index]))
        }
        return difference == 0
    }
}
