internal import Glibc
internal import Problems

/// The files that a command line names to be read and to be written: none is both, and none is written twice.
struct WrittenFiles {
    private var read: [String] = []
    private var written: [String] = []

    init(arguments: [(kind: ValueKind, text: String)], options: [ResolvedOption]) {
        let values = options.flatMap { option in option.texts.map { (kind: option.option.kind, text: $0) } } + arguments
        for (kind, text) in values where text != "-" {
            if case .file = kind { read.append(text) }
            if case .output = kind { written.append(text) }
        }
    }

    /// - Throws: `.usage` for a file that would be written over what the command reads, or over another thing that it writes.
    func check() throws(Problem) {
        for (index, path) in written.enumerated() {
            if let input = read.first(where: { Self.areSame(path, $0) }) {
                throw Problem(
                    .usage, "\"\(path)\" is read by this command, and would be written over",
                    hint: input == path
                        ? "Name another file to write." : "\"\(input)\" is the same file; name another one to write.")
            }
            if let other = written[..<index].first(where: { Self.areSame(path, $0) }) {
                throw Problem(
                    .usage, "\"\(path)\" would be written twice", hint: "\"\(other)\" is the same file; name another.")
            }
        }
    }

    /// Whether both lead to one plain file, or would make one. Others, such as pipes and terminals, may be read and written.
    private static func areSame(_ one: String, _ other: String) -> Bool {
        guard let first = status(one), let second = status(other) else { return one == other && status(one) == nil }
        return first.st_mode & S_IFMT == S_IFREG && (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return path.withFileName { stat($0, &status) } == 0 ? status : nil
    }
}
