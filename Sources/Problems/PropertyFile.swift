internal import Glibc

/// A file of properties, one `key=value` a line; blank lines and lines that begin with `#` are passed over.
public struct PropertyFile: Sendable {
    public struct Property: Sendable {
        public var key: String
        public var value: String
        public var place: InputLocation
    }

    /// In their order.
    public private(set) var properties: [Property] = []
    private let path: String

    private static let limitBytes = 8 << 20

    /// - Parameters:
    ///   - option: by which the file was named, for hints.
    ///   - fault: says what of a property cannot be used; its place is added.
    /// - Throws: `.noInput` where there is no such file, `.configuration` with the place of each line that is no property, or is one with a
    ///   fault.
    public init(
        _ path: String, option: String, fault: (_ key: String, _ value: String) -> Problem?
    ) throws(Problem) {
        self.path = path
        let data: [UInt8]
        do throws(Problem) { data = try Files.contents(of: path, limitBytes: Self.limitBytes) } catch {
            var problem = error
            problem.hint = "Check the path of \(option)."
            throw problem
        }
        var problems = ProblemList()
        let lines = String(decoding: data, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let line = Self.trimmed(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = Self.trimmed(parts[0])
            let place = InputLocation(file: path, line: index + 1, column: 1)
            guard parts.count == 2, !key.isEmpty else {
                // The line itself is not shown: it may hold a secret.
                problems.add(
                    Problem(.configuration, "this is no property", at: place, hint: "Write each as key=value."))
                continue
            }
            let value = Self.trimmed(parts[1])
            if var problem = fault(key, value) {
                problem.location = place
                problems.add(problem)
            }
            properties.append(Property(key: key, value: value, place: place))
        }
        try problems.throwIfAny()
    }

    /// - Throws: `.noPermission` where the file has one of these properties, and others may read it.
    public func requirePrivate(_ secrets: Set<String>, otherwise: String = "") throws(Problem) {
        guard properties.contains(where: { secrets.contains($0.key) }) else { return }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw Problem(
                .noPermission, "\"\(path)\" holds a secret and others may read it",
                hint: "Run chmod 600 \"\(path)\"\(otherwise).")
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start[..<(start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex)])
    }
}
