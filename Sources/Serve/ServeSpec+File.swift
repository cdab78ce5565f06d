public import Problems
internal import YAML

extension ServeSpec {
    /// What only the program itself can say of a file's words: each throws what is wrong with them.
    public struct Checks {
        /// Of a service's command line.
        public var service: (_ words: [String]) throws(Problem) -> Void
        /// Of a time zone.
        public var zone: (_ name: String) throws(Problem) -> Void
        /// Of a key of the pages (`listen`, `token-file`, `tls-cert`), as the file has them.
        public var pages: (_ key: String, _ pages: PagesSpec) throws(Problem) -> Void

        /// Whether mistakes of a tenant's own files are mistakes of the file; else they keep its services alone from starting.
        public var isStrict: Bool

        public init(
            isStrict: Bool = true,
            service: @escaping (_ words: [String]) throws(Problem) -> Void,
            zone: @escaping (_ name: String) throws(Problem) -> Void,
            pages: @escaping (_ key: String, _ pages: PagesSpec) throws(Problem) -> Void
        ) {
            (self.isStrict, self.service, self.zone, self.pages) = (isStrict, service, zone, pages)
        }
    }

    /// Reads a serve.yaml and checks it whole.
    ///
    /// - Parameters:
    ///   - home: of all tenants.
    ///   - checks: what the program has to say of it.
    /// - Throws: `.configuration` with every mistake in the order of the file, `.noInput`, `.noPermission`.
    public static func load(path: String, home: String, checks: Checks) throws(Problem) -> ServeSpec {
        let path = try Files.absolute(path)
        var reader = ServeFileReader(try YAMLNode.load(path: path), file: path, home: home, checks: checks)
        return try reader.read()
    }
}
