import CommandLine
import Problems

enum CompletionsCommand {
    static let command = Command(
        name: "completions", summary: "write the completion script of a shell",
        examples: [
            Example("source <(taxi-cli completions bash)", "completion in this bash, until it ends"),
            Example(
                "taxi-cli completions fish > ~/.config/fish/completions/taxi-cli.fish",
                "completion in every fish from now on"),
        ],
        arguments: [
            Argument("SHELL", kind: .choice(Completions.Shell.allCases.map(\.rawValue)), help: "bash, zsh or fish")
        ],
        group: "Setting up", readsConfiguration: false, run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        guard let shell = Completions.Shell(rawValue: arguments.positionals[0]) else {
            throw Problem(.software, "no completion for \"\(arguments.positionals[0])\"")
        }
        try arguments.output.write(Completions(arguments.program).script(for: shell))
        return .success
    }
}
