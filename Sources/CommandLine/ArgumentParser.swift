@preconcurrency internal import CGetopt
internal import Glibc
internal import Problems
internal import Synchronization

/// Words of a command line, sorted into commands, options and arguments; nothing of them is read yet.
struct ParsedLine {
    /// An option as it was given.
    struct Occurrence {
        var long: String
        /// nil for a flag without `=`.
        var text: String?
    }

    /// From the root to the command that is meant.
    var commands: [Command]
    var occurrences: [Occurrence] = []
    var positionals: [String] = []

    var command: Command { commands[commands.count - 1] }
    var path: String { commands.map(\.name).joined(separator: " ") }

    func gives(_ long: String) -> Bool {
        occurrences.contains { $0.long == long && $0.text.map { (try? ValueText.bool($0)) ?? true } ?? true }
    }
}

/// Splits a command line with getopt_long.
///
/// getopt hands out words in order (a leading `-` in its option string), so the table of options can change at the moment a
/// word turns out to name a subcommand, and so the word behind each option is known: getopt_long takes any unambiguous
/// beginning of a long name, which would make every new option a possible break of somebody's script; here a name counts
/// only whole.
struct ArgumentParser {
    let root: Command
    let globals: [Option]

    /// - Parameter words: the arguments after the program's name.
    /// - Throws: `Problem(.usage)` for an unknown option or command, a missing value, and an option of another command.
    func parse(_ words: [String]) throws(Problem) -> ParsedLine {
        // `optind` and its fellows are the process's own: one parse at a time.
        let line = try Self.getoptLock.withLock { _ throws(Problem) in try split(words) }
        try checkOwners(line)
        return line
    }

    private static let getoptLock = Mutex(())

    private func split(_ words: [String]) throws(Problem) -> ParsedLine {
        var line = ParsedLine(commands: [root])
        var vector = ([root.name] + words).map { strdup($0) } + [nil]
        defer { for word in vector { free(word) } }
        var table = OptionTable(options: root.accepted(withGlobals: globals))
        optind = 0
        opterr = 0
        while true {
            let index = max(1, Int(optind))
            let result = getopt_long(Int32(words.count + 1), &vector, table.shortForm, table.longForm, nil)
            if result == -1 { break }
            let word = words[index - 1]
            switch result {
            case 1:
                if let subcommand = try subcommand(word, in: line) {
                    line.commands.append(subcommand)
                    table = OptionTable(options: subcommand.accepted(withGlobals: globals))
                } else {
                    line.positionals.append(word)
                }
            case questionMark, colon:
                throw failure(word, result: result, character: optopt, table: table, line: line)
            default:
                let option = table.declaration(of: result)
                if word.hasPrefix("--"), word.dropFirst(2).prefix(while: { $0 != "=" }) != option.long {
                    throw unknown(word, in: line)
                }
                line.occurrences.append(.init(long: option.long, text: optarg.map { String(cString: $0) }))
            }
        }
        for word in words.dropFirst(Int(optind) - 1) {
            guard !line.command.arguments.isEmpty else { throw unexpected(word, in: line) }
            line.positionals.append(word)
        }
        return line
    }

    /// The subcommand that `word` names, or nil where it is an argument.
    private func subcommand(_ word: String, in line: ParsedLine) throws(Problem) -> Command? {
        let command = line.command
        if line.positionals.isEmpty, let found = command.subcommands.first(where: { $0.name == word }) { return found }
        guard command.arguments.isEmpty else { return nil }
        throw unexpected(word, in: line)
    }

    private func unexpected(_ word: String, in line: ParsedLine) -> Problem {
        let names = line.command.subcommands.map(\.name)
        guard !names.isEmpty else {
            return Problem(
                .usage, "\"\(line.path)\" takes no argument, but was given \"\(word)\"",
                hint: "See \"\(line.path) --help\".")
        }
        let near = nearestName(to: word, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
        return Problem(
            .usage, "there is no command \"\(line.path) \(word)\"",
            hint: near + "\"\(line.path) --help\" lists what there is.")
    }

    /// What is wrong with a word that getopt refused.
    private func failure(
        _ word: String, result: Int32, character: Int32, table: OptionTable, line: ParsedLine
    ) -> Problem {
        guard result == colon else { return unknown(word, in: line, character: character) }
        let option = table.declaration(of: character)
        let isWhole = word.dropFirst(2) == option.long || !word.hasPrefix("--")
        guard isWhole else { return unknown(word, in: line) }
        return Problem(
            .usage, "option \"--\(option.long)\" needs a value",
            hint: "Write --\(option.long) \(option.placeholder ?? "VALUE").")
    }

    private func unknown(_ word: String, in line: ParsedLine, character: Int32 = 0) -> Problem {
        let name = String(word.drop { $0 == "-" }.prefix { $0 != "=" })
        let known = line.command.accepted(withGlobals: globals)
        if let secret = known.first(where: { $0.long == name && !$0.hasFlag }) {
            let places = [secret.environment, secret.configKey.map { "\($0) in taxi.yaml" }].compactMap { $0 }
            return Problem(
                .usage, "\"\(name)\" is not given as an option", hint: "Set \(places.joined(separator: " or ")).")
        }
        let isCluster = !word.hasPrefix("--") && character != 0 && word.count > 2 && !known.contains { $0.long == name }
        let shown = isCluster ? "-\(Unicode.Scalar(UInt8(truncatingIfNeeded: character)))" : word
        let message = "unknown option \"\(shown)\""
        let names = known.filter(\.hasFlag).map(\.long)
        // A beginning of a name is nearer to it than any other name, however many letters are missing.
        let beginnings = names.filter { $0.hasPrefix(name) && !name.isEmpty }
        if beginnings.count == 1, word.hasPrefix("--") {
            return Problem(.usage, message, hint: "Did you mean \"--\(beginnings[0])\"? Options are written in full.")
        }
        if word.count > 2, let near = nearestName(to: name, among: names) {
            return Problem(.usage, message, hint: "Did you mean \"--\(near)\"?")
        }
        if let owner = owners(of: name).first(where: { $0 != line.path }) {
            return Problem(
                .usage, message, hint: "\"--\(name)\" is an option of \"\(owner)\" and stands after that name.")
        }
        return Problem(.usage, message, hint: "\"\(line.path) --help\" lists the options.")
    }

    /// Every option must belong to the command that was meant in the end: `stream --query x explain` names one that
    /// `stream` has and `stream explain` has not.
    private func checkOwners(_ line: ParsedLine) throws(Problem) {
        let accepted = line.command.accepted(withGlobals: globals)
        for occurrence in line.occurrences where !accepted.contains(where: { $0.long == occurrence.long }) {
            throw Problem(
                .usage, "\"\(line.path)\" has no option \"--\(occurrence.long)\"",
                hint: "\"\(line.path) --help\" lists the options.")
        }
    }

    private func owners(of long: String) -> [String] {
        root.flattened().filter { $0.command.options.contains { $0.long == long && $0.hasFlag } }
            .map { $0.path.joined(separator: " ") }
    }
}

/// What getopt returns for an unknown option, and for one without its value.
private let questionMark = Int32(UInt8(ascii: "?"))
private let colon = Int32(UInt8(ascii: ":"))

/// The options of one command in getopt's own form; owns the C strings.
private final class OptionTable {
    let shortForm: String
    let longForm: [option]
    private let options: [Option]
    private let names: [UnsafeMutablePointer<CChar>]
    /// Values of long options start above every character.
    private static let firstValue: Int32 = 256

    init(options all: [Option]) {
        options = all.filter(\.hasFlag)
        names = options.map { strdup($0.long) }
        longForm =
            zip(options, names).enumerated().map { index, pair in
                let takes = pair.0.arity == .flag ? optional_argument : required_argument
                return option(
                    name: UnsafePointer(pair.1), has_arg: takes, flag: nil, val: Self.firstValue + Int32(index))
            } + [option()]
        // "-": words come in order; ":": a missing value is told apart from an unknown option.
        shortForm =
            "-:"
            + options.compactMap { option in option.short.map { "\($0)\(option.arity == .flag ? "" : ":")" } }.joined()
    }

    deinit { for name in names { free(name) } }

    /// The option of a value that getopt gave: a short option's character or a long option's number.
    func declaration(of value: Int32) -> Option {
        if value >= Self.firstValue { return options[Int(value - Self.firstValue)] }
        let character = Character(Unicode.Scalar(UInt8(truncatingIfNeeded: value)))
        return options.first { $0.short == character }!
    }
}
