import Basics
public import Problems

/// `postgres://[user[:password]@]host[:port]/database[?schema=NAME&sslmode=…]`: where a PostgreSQL is, in libpq's own words, and
/// the schema that is meant, which is ours.
public struct PostgresURL: Sendable, Hashable {
    /// For libpq: without the schema. It may hold a password.
    let connection: String
    /// nil where none is named.
    public let schema: String?
    /// For people: without password and query.
    public let shown: String
    /// Whether a password stands in it, where `ps` and histories of shells show it.
    public let hasPassword: Bool

    /// - Throws: `.usage` for what is no such URL.
    public init(_ text: String) throws(Problem) {
        guard let scheme = ["postgres://", "postgresql://"].first(where: text.hasPrefix) else {
            throw Problem(
                .usage, "\"\(text.prefix { $0 != ":" && $0 != "@" && $0 != " " })…\" is no address of a PostgreSQL",
                hint: "Write postgres://USER@HOST:5432/DATABASE.")
        }
        guard !text.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else {
            throw Problem(
                .usage, "the address of the PostgreSQL has a blank or a control character",
                hint: "Write it as %20 and its like.")
        }
        let rest = text.dropFirst(scheme.count)
        let beforeQuery = rest.prefix { $0 != "?" }
        let authority = beforeQuery.prefix { $0 != "/" }
        let parameters = rest.dropFirst(beforeQuery.count + 1).split(separator: "&")
        var schema: String?
        var others: [Substring] = []
        var password = false
        for parameter in parameters {
            if parameter.hasPrefix("schema=") {
                schema = try Self.decoded(parameter.dropFirst("schema=".count))
            } else {
                password = password || parameter.hasPrefix("password=") || parameter.hasPrefix("sslpassword=")
                others.append(parameter)
            }
        }
        // The last one: a password that holds another unencoded must not be shown in part.
        let at = authority.lastIndex(of: "@")
        let user = at.map { authority[..<$0] } ?? ""
        let host = at.map { authority[authority.index(after: $0)...] } ?? authority
        let name = user.prefix { $0 != ":" }
        self.schema = schema
        hasPassword = password || user.count > name.count + 1
        let path = beforeQuery.dropFirst(authority.count)
        shown = scheme + (name.isEmpty ? "" : "\(name)@") + host + path
        connection =
            scheme + beforeQuery + (others.isEmpty ? "" : "?" + others.joined(separator: "&"))
    }

    private static func decoded(_ text: Substring) throws(Problem) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "%") {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                throw Problem(.usage, "the schema \"\(text)\" has a \"%\" without two hexadecimal digits")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        let name = String(decoding: bytes, as: UTF8.self)
        try Identifier.check(name, of: "a schema")
        return name
    }
}

/// Names of tables, columns, schemas and roles.
public enum Identifier {
    /// A text as a literal.
    public static func literal(_ text: String) -> String {
        // Whatever standard_conforming_strings says.
        "E\(SQLText.literal(text.replacing("\\", with: "\\\\")))"
    }

    /// - Parameter what: `a schema`
    /// - Throws: `.usage` for a name that PostgreSQL would cut or refuse.
    public static func check(_ name: String, of what: String) throws(Problem) {
        guard (1...63).contains(name.utf8.count), !name.utf8.contains(where: { $0 < 32 || $0 == 127 }) else {
            throw Problem(
                .usage, "\"\(name)\" cannot be the name of \(what) in PostgreSQL",
                hint: "Names have 1 to 63 bytes and no control characters.")
        }
        if what == "a schema", name.lowercased().hasPrefix("pg_") || name.lowercased() == "information_schema" {
            throw Problem(.usage, "the schema \"\(name)\" belongs to PostgreSQL itself", hint: "Name another one.")
        }
    }
}
