/// One setting of a command: a flag on the command line, a variable of the environment and a key of taxi.yaml at once.
///
/// Its long name is its name everywhere in code: `arguments.rate("rate")`.
public struct Option: Sendable {
    public enum Arity: Sendable, Equatable {
        /// Given or not; `--resume=false` takes back what taxi.yaml says.
        case flag
        /// Takes one value, shown as the placeholder in help; given twice, the last one counts.
        case value(String)
        /// May be given several times; in the environment separated by commas, in taxi.yaml a list.
        case repeated(String)
    }

    /// Without the two dashes.
    public var long: String
    public var short: Character?
    public var arity: Arity
    public var kind: ValueKind
    /// As a person would write it; nil where nothing is meant when nothing is said.
    public var defaultText: String?
    /// For a default that depends on the machine: gives it from the environment, and `defaultText` only says in help what it is.
    public var derivedDefault: (@Sendable (_ environment: [String: String]) -> String?)?
    /// Such as `TAXI_RATE`; an empty variable counts as unset.
    public var environment: String?
    /// Such as `produce.rate` in taxi.yaml.
    public var configKey: String?
    /// One line or more, a sentence without a final period.
    public var help: String
    /// The heading above it in help.
    public var group: String
    /// Never accepted as an argument and shown masked; comes from the environment or from a taxi.yaml that only its owner can read.
    public var isSecret: Bool
    /// Has no flag, such as the tenant's time zone, which must not change from run to run.
    public var isSettingOnly: Bool
    /// What completion offers besides what `kind` says.
    public var names: Names?
    /// How the names of files end that completion offers, such as `csv.gz`; where none ends so, all are offered.
    public var endings: [String]
    /// Long name of the option without which this one means nothing: on a command line it is then an error, and elsewhere not heeded.
    public var needs: String?

    /// Names that only the program knows while it runs, such as those of tables, in the order in which they are offered.
    ///
    /// It is asked at a Tab key: so it is quick, makes nothing, and what it throws means that there are none.
    ///
    /// - Parameters:
    ///   - line: what stands before the word with the cursor; of its options those that can be read, and no argument was checked.
    ///   - begun: what was typed of that word. Names that begin otherwise may be given too.
    public typealias Names = @Sendable (_ line: ParsedArguments, _ begun: String) throws -> [String]

    /// - Parameter kind: what the values must be; a flag's is always `.bool`.
    public init(
        _ long: String, short: Character? = nil, value arity: Arity = .flag, kind: ValueKind = .text,
        default defaultText: String? = nil,
        derivedDefault: (@Sendable (_ environment: [String: String]) -> String?)? = nil, environment: String? = nil,
        configKey: String? = nil, help: String, group: String = "Options", secret: Bool = false,
        settingOnly: Bool = false, names: Names? = nil, endings: [String] = [], needs: String? = nil
    ) {
        (self.long, self.short, self.arity) = (long, short, arity)
        self.kind = arity == .flag ? .bool : kind
        (self.defaultText, self.derivedDefault) = (defaultText, derivedDefault)
        (self.environment, self.configKey) = (environment, configKey)
        (self.help, self.group, self.isSecret, self.isSettingOnly) = (help, group, secret, settingOnly)
        (self.names, self.endings, self.needs) = (names, endings, needs)
    }

    /// Whether it may be written on the command line.
    public var hasFlag: Bool { !isSecret && !isSettingOnly }

    /// What stands for the value in help; nil for a flag.
    public var placeholder: String? {
        switch arity {
        case .flag: nil
        case .value(let placeholder), .repeated(let placeholder): placeholder
        }
    }

    public var isRepeated: Bool { if case .repeated = arity { true } else { false } }

    /// What it goes with, default, environment and key, as help and manual show them; empty where there is none.
    var remarks: [String] {
        var remarks: [String] = []
        if let needs { remarks.append("with --\(needs)") }
        if let defaultText { remarks.append("default: \(defaultText)") }
        if let environment { remarks.append(environment) }
        if let configKey { remarks.append("taxi.yaml: \(configKey)") }
        return remarks
    }

    /// `-q, --quiet` or `    --rate RATE`; for a setting without a flag its name alone.
    var usage: String {
        guard hasFlag else { return "    \(long)" }
        return (short.map { "-\($0), " } ?? "    ") + "--\(long)" + (placeholder.map { " \($0)" } ?? "")
            + (isRepeated ? "…" : "")
    }
}

/// A word of the command line that belongs to no option, such as `FILE…`.
public struct Argument: Sendable {
    public enum Count: Sendable { case one, optional, oneOrMore, any }

    /// In capitals, such as `FILE`.
    public var name: String
    public var count: Count
    public var kind: ValueKind
    public var help: String
    /// As an option's.
    public var names: Option.Names?
    public var endings: [String]

    public init(
        _ name: String, _ count: Count = .one, kind: ValueKind = .text, help: String, names: Option.Names? = nil,
        endings: [String] = []
    ) {
        (self.name, self.count, self.kind, self.help) = (name, count, kind, help)
        (self.names, self.endings) = (names, endings)
    }

    /// `FILE`, `[FILE]`, `FILE…`, `[FILE…]`.
    var usage: String {
        switch count {
        case .one: name
        case .optional: "[\(name)]"
        case .oneOrMore: "\(name)…"
        case .any: "[\(name)…]"
        }
    }

    var isNeeded: Bool { count == .one || count == .oneOrMore }
    var takesMany: Bool { count == .oneOrMore || count == .any }
}
