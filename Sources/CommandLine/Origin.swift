public import Problems

/// Where a value came from.
public enum Origin: Sendable, Equatable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case configuration(InputLocation)
    case defaultValue

    /// `flag --rate`, `environment TAXI_RATE`, `/path/taxi.yaml:3`, `default`.
    public var description: String {
        switch self {
        case .flag(let long): "flag --\(long)"
        case .environment(let name): "environment \(name)"
        case .configuration(let location): "\(location.file):\(location.line)"
        case .defaultValue: "default"
        }
    }

    /// The higher one wins.
    var rank: Int {
        switch self {
        case .flag: 3
        case .environment: 2
        case .configuration: 1
        case .defaultValue: 0
        }
    }
}

/// An option with the value that a run will use.
public struct ResolvedOption: Sendable {
    public let option: Option
    /// As written; empty where there is neither a value nor a default.
    public let texts: [String]
    public let values: [ReadValue]
    public let origin: Origin

    /// Whether it says anything; a flag that says false does not.
    var isChosen: Bool { !values.isEmpty && values != [.bool(false)] }

    /// For people: the texts as written, a secret masked, nil where there is no value.
    public var shown: String? {
        if texts.isEmpty { return nil }
        return option.isSecret ? "********" : texts.joined(separator: ", ")
    }
}
