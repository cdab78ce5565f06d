internal import Glibc
public import Problems
internal import YAML

extension Configuration {
    /// Reads taxi.yaml; nil where there is none, since a tenant need not have one.
    ///
    /// - Throws: `Problem(.configuration)` where the file is no YAML or has anything but scalars, lists of scalars and mappings
    ///   of these; `.noPermission` or `.inputOutput` where it cannot be read.
    public static func load(path: String) throws(Problem) -> Configuration? {
        var status = stat()
        if stat(path, &status) != 0, !Files.exists(path), errno == ENOENT || errno == ENOTDIR { return nil }
        let source = try YAMLNode.load(path: path)
        var reader = EntryReader()
        if !source.isNull { reader.add(source, key: "") }
        if let problem = Problem.gathered(reader.problems) { throw problem }
        let isPrivate = status.st_mode & (S_IRWXG | S_IRWXO) == 0
        return Configuration(path: path, isPrivate: isPrivate, entries: reader.entries)
    }
}

/// Flattens a YAML tree into dotted keys.
private struct EntryReader {
    var entries: [Configuration.Entry] = []
    var problems: [Problem] = []

    mutating func add(_ node: YAMLNode, key: String, keyNode: YAMLNode? = nil) {
        switch node.content {
        case .mapping(let pairs):
            for pair in pairs {
                let name = key.isEmpty ? pair.name : "\(key).\(pair.name)"
                add(pair.value, key: name, keyNode: pair.key)
            }
        case .scalar(let text):
            // A key without a value leaves the setting as it was.
            if !node.isNull { append(key, [text], isList: false, keyNode, node) }
        case .sequence(let items):
            var texts: [String] = []
            for item in items {
                if let text = item.scalar {
                    texts.append(text)
                } else {
                    problems.append(
                        item.problem("\"\(key)\" is a list of plain values", hint: "Write one value an item."))
                }
            }
            append(key, texts, isList: true, keyNode, node)
        }
    }

    private mutating func append(
        _ key: String, _ texts: [String], isList: Bool, _ keyNode: YAMLNode?, _ node: YAMLNode
    ) {
        guard let keyNode else {
            problems.append(node.problem("the file is not a mapping", hint: "Write \"key: value\" lines."))
            return
        }
        entries.append(
            .init(
                key: key, texts: texts, isList: isList, keyPlace: keyNode.problem(""), valuePlace: node.problem("")))
    }
}
