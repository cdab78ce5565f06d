/// Scripts that teach a shell the program's commands, options and the values these take.
public struct Completions {
    public enum Shell: String, Sendable, CaseIterable { case bash, zsh, fish }

    let program: Program

    public init(_ program: Program) { self.program = program }

    public func script(for shell: Shell) -> String {
        switch shell {
        case .bash: bash()
        case .zsh: zsh()
        case .fish: fish()
        }
    }

    var name: String { program.root.name }
    /// The program's name where a shell wants an identifier.
    var identifier: String { name.map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined() }

    /// Every command with the names that lead to it, the program's own left out: `["topic", "list"]`.
    var commands: [(path: [String], command: Command)] {
        program.root.flattened().map { (Array($0.path.dropFirst()), $0.command) }
    }

    /// Options that can be typed after a command.
    func options(of command: Command) -> [Option] { command.accepted(withGlobals: program.globals).filter(\.hasFlag) }

    /// Text in single quotes for a POSIX shell.
    func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

/// What a shell should offer where a value is due.
struct Offer {
    enum Files: Equatable {
        case none, folders
        /// Whose names end so; any where none does, or none is given.
        case endings([String])
    }

    var words: [String]
    var files: Files
    /// Whether the program is to be asked (`CompletionRequest`).
    var asks: Bool

    init(_ option: Option) { self.init(option.kind, option.names, option.endings) }
    init(_ argument: Argument) { self.init(argument.kind, argument.names, argument.endings) }

    private init(_ kind: ValueKind, _ names: Option.Names?, _ endings: [String]) {
        words = kind.choices ?? []
        asks = names != nil
        switch kind {
        case .directory: files = .folders
        case .file, .output: files = .endings(endings)
        default: files = endings.isEmpty ? .none : .endings(endings)
        }
    }
}
