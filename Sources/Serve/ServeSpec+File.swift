public import Problems
internal import YAML

extension ServeSpec {
    /// Whether a command line can be run, as the program's own parser sees it.
    public typealias Check = (_ words: [String]) throws(Problem) -> Void

    /// Reads a serve.yaml and checks it whole.
    ///
    /// - Parameters:
    ///   - home: of all tenants.
    ///   - check: of each service's command line.
    /// - Throws: `.configuration` with every mistake in the order of the file, `.noInput`, `.noPermission`.
    public static func load(path: String, home: String, check: Check) throws(Problem) -> ServeSpec {
        let path = try Files.absolute(path)
        var reader = ServeFileReader(try YAMLNode.load(path: path), file: path, home: home)
        return try reader.read(check)
    }
}
