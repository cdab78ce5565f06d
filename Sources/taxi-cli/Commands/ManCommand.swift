import CommandLine

enum ManCommand {
    static let command = Command(
        name: "man", summary: "write the manual of all commands",
        examples: [
            Example("taxi-cli man | man -l -", "read the manual here"),
            Example("taxi-cli man --markdown > docs/commands.md", "the same as a reference in Markdown"),
        ],
        options: [Option("markdown", help: "Markdown instead of a roff page")],
        group: "Setting up", readsConfiguration: false, run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let text =
            arguments.isOn("markdown") ? CommandReference(arguments.program).text() : ManPage(arguments.program).text()
        try arguments.output.write(text)
        return .success
    }
}
