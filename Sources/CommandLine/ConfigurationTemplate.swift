/// A taxi.yaml in which every setting stands commented out, with what it does and its default.
public struct ConfigurationTemplate {
    private let options: [Option]

    /// - Parameter program: its options with a key of taxi.yaml, each key once, are what the file shows.
    public init(_ program: Program) {
        var seen: Set<String> = []
        options = (program.globals + program.root.flattened().flatMap(\.command.options)).filter { option in
            option.configKey.map { seen.insert($0).inserted } ?? false
        }
    }

    /// - Parameter title: the first line, such as whose settings these are.
    public func text(title: String) -> String {
        var lines = [
            "# \(title)",
            "# Flags and TAXI_... variables win over what stands here. Take the # away from a line and change its value;",
            "# \"taxi-cli config\" shows what is in force and where it comes from.",
        ]
        var open: [String] = []
        // Keys of one heading stand together, whichever commands they belong to; those without a heading come first.
        let entries = options.map { (keys: $0.configKey!.split(separator: ".").map(String.init), option: $0) }
        let headings = grouped(
            entries.map { Entry(heading: $0.keys.dropLast().joined(separator: "."), keys: $0.keys, option: $0.option) },
            by: \.heading)
        for (_, members) in headings.filter({ $0.0.isEmpty }) + headings.filter({ !$0.0.isEmpty }) {
            for entry in members {
                let heading = Array(entry.keys.dropLast())
                if heading != open {
                    lines.append("")
                    let common = zip(heading, open).prefix { $0 == $1 }.count
                    for level in common..<heading.count { lines.append(margin(level) + "\(heading[level]):") }
                    open = heading
                } else if heading.isEmpty {
                    lines.append("")
                }
                lines += wrapped(entry.option.help, width: 100).map { margin(heading.count) + "# \($0)" }
                let value = entry.option.defaultText ?? entry.option.placeholder ?? "true"
                lines.append(
                    margin(heading.count)
                        + "# \(entry.keys.last ?? ""): \(entry.option.isRepeated ? "[\(value)]" : value)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Entry {
        var heading: String
        var keys: [String]
        var option: Option
    }

    private func margin(_ level: Int) -> String { String(repeating: "  ", count: level) }
}
