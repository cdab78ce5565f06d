internal import Glibc
public import Problems

/// One HTTP request, and what to do with its answer.
///
/// Redirects are not followed: a secret among the headers would go to whoever the answer names. Certificates are always checked.
public struct HTTPRequest: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Read piece by piece while it is sent.
        case file(path: String)
    }

    public struct Header: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public var method: String
    /// `http://` or `https://`.
    public var url: String
    public var headers: [Header]
    public var body: Body
    public var connectTimeoutMs: Int64 = 10_000
    /// For all of it; nil for as long as it takes.
    public var timeoutMs: Int64?
    /// A file of certificates to trust in place of the machine's.
    public var caFile: String?
    /// Signs the request for a service of AWS, or of one that does as AWS does.
    public var signature: AWSSignature?
    /// A file that the body of a 2xx answer is written to, piece by piece; it is there when all of it is.
    public var destination: String?
    /// How much of the answer's body is kept in memory; the rest is read and dropped.
    public var bodyLimitBytes = 1 << 20

    public init(_ method: String, _ url: String, headers: [Header] = [], body: Body = .none) {
        (self.method, self.url, self.headers, self.body) = (method, url, headers, body)
    }

    /// The URL without user, password and query, any of which may be secret.
    public var place: String { Self.place(of: url) }

    static func place(of url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return "" }
        let rest = url[scheme.upperBound...].prefix { $0 != "?" && $0 != "#" }
        let host = rest.prefix { $0 != "/" }
        let bare = host.lastIndex(of: "@").map { host[host.index(after: $0)...] } ?? host
        return String(url[..<scheme.upperBound] + bare + rest[host.endIndex...])
    }

    /// A file that appears when it is whole takes the place of another one, and of nothing else: no device, pipe or folder.
    ///
    /// - Throws: `.cannotCreate`.
    public static func checkDestination(_ path: String) throws(Problem) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
        throw Problem(
            .cannotCreate, "cannot write \"\(path)\": it is \(Problem.kind(status)), not a plain file",
            hint: "Name a file.")
    }

    /// - Throws: `.configuration` for what is no request.
    func check() throws(Problem) {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw Problem(
                .configuration, "\"\(url.prefix { $0 != ":" })…\" is no URL", hint: "Begin it with https:// or http://."
            )
        }
        func isToken(_ text: String) -> Bool {
            !text.isEmpty && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"()<>@,;:\\\"/[]?={}".utf8.contains($0) }
        }
        guard isToken(method) else { throw Problem(.configuration, "\"\(method)\" is no HTTP method") }
        for header in headers {
            guard isToken(header.name) else {
                throw Problem(.configuration, "\"\(header.name)\" cannot name a header")
            }
            // The value may be secret, so it is not shown.
            guard header.value.utf8.allSatisfy({ $0 >= 32 || $0 == 9 }) else {
                throw Problem(
                    .configuration, "the header \"\(header.name)\" has a line break or another control character",
                    hint: "Take the last line break off where its value comes from.")
            }
        }
    }
}

/// An answer, whatever its status.
public struct HTTPResponse: Sendable {
    public var status: Int
    /// In their order; of those after a "100 Continue" only.
    public var headers: [HTTPRequest.Header]
    /// Its beginning, where it is longer than the request's limit; empty where it went to a file.
    public var body: [UInt8]
    /// How long it is.
    public var bodyBytes: Int64
    /// How long the file was that was sent; 0 where none was.
    public var sentBytes: Int64 = 0

    public var isSuccess: Bool { (200..<300).contains(status) }
    public var bodyIsWhole: Bool { bodyBytes == Int64(body.count) }
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The first header of that name, letter case aside.
    public subscript(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}
