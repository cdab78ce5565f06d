/// Which earlier schemas of a subject a new one has to get on with, and how.
///
/// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html
public enum CompatibilityLevel: String, Sendable, CaseIterable {
    case none = "NONE"
    /// The new schema reads what the latest one has written.
    case backward = "BACKWARD"
    case backwardTransitive = "BACKWARD_TRANSITIVE"
    /// The latest schema reads what the new one writes.
    case forward = "FORWARD"
    case forwardTransitive = "FORWARD_TRANSITIVE"
    case full = "FULL"
    case fullTransitive = "FULL_TRANSITIVE"

    /// Whether all earlier schemas count, and not the latest alone.
    var isTransitive: Bool { rawValue.hasSuffix("_TRANSITIVE") }
    /// Whether the new schema has to read what was written.
    var readsOld: Bool { rawValue.hasPrefix("BACKWARD") || rawValue.hasPrefix("FULL") }
    /// Whether earlier schemas have to read what will be written.
    var isReadByOld: Bool { rawValue.hasPrefix("FORWARD") || rawValue.hasPrefix("FULL") }

    /// - Throws: 42203 for what is none.
    public init(name: String) throws(RegistryRefusal) {
        guard let level = CompatibilityLevel(rawValue: name.uppercased()) else {
            throw RegistryRefusal(
                42203,
                "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
            )
        }
        self = level
    }
}

/// What may be done with a subject.
public enum RegistryMode: String, Sendable, CaseIterable {
    case readWrite = "READWRITE"
    case readOnly = "READONLY"
    /// Of the whole registry: whatever the subjects' own modes are.
    case readOnlyOverride = "READONLY_OVERRIDE"
    /// Schemas come with their ids and versions from elsewhere, and nobody asks whether they fit.
    case `import` = "IMPORT"

    var mayWrite: Bool { self == .readWrite || self == .import }

    /// - Throws: 42204 for what is none.
    public init(name: String) throws(RegistryRefusal) {
        guard let mode = RegistryMode(rawValue: name.uppercased()) else {
            let names = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw RegistryRefusal(42204, "Invalid mode. Valid values are \(names)")
        }
        self = mode
    }
}

/// Which of a subject's schemas is meant.
public enum VersionChoice: Sendable, Equatable {
    case latest
    case number(Int)

    /// - Throws: 42202 for what is neither `latest`, -1 nor a number from 1 on.
    public init(_ text: String) throws(RegistryRefusal) {
        if text == "latest" || text == "-1" {
            self = .latest
        } else if let number = Int32(text), number > 0 {
            self = .number(Int(number))
        } else {
            throw .invalidVersion(text)
        }
    }
}
