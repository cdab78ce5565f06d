import CommandLine
import Problems
import SchemaRegistry

enum SchemaDeleteCommand {
    static let command = Command(
        name: "delete", summary: "delete a subject, or one version of it",
        discussion: """
            It is deleted softly: nobody finds it by its subject any more, and messages that name its id can still be read. --permanent does away \
            with what was deleted softly before; then such messages cannot be read by anybody.
            """,
        examples: [
            Example("taxi-cli schema delete scratch-value", "a subject with all of its versions"),
            Example("taxi-cli schema delete trips-value 3", "the third version alone"),
            Example("taxi-cli schema delete scratch-value --permanent --yes", "for good, without being asked"),
        ],
        arguments: [
            SchemaCommand.subject,
            Argument(
                "VERSION", .optional, kind: .custom(SchemaCommand.checkVersion),
                help: "a number from 1 on, or latest; all of them unless said"),
        ],
        options: [
            Option("permanent", help: "for good, what was deleted before"),
            Option("yes", short: "y", help: "do not ask"),
        ]
    ) { arguments in
        let subject = arguments.positionals[0]
        let choice = try arguments.positionals.dropFirst().first.map { try SchemaCommand.choice($0) }
        let catalog = try GlobalOptions(arguments).openCatalog()
        let isPermanent = arguments.isOn("permanent")
        if isPermanent, !arguments.isOn("yes") {
            let what = arguments.positionals.count > 1 ? "version \(arguments.positionals[1]) of " : ""
            guard
                try arguments.confirm(
                    "Delete \(what)subject \"\(subject)\" for good? Messages that name its schemas cannot be read then.",
                    hint: "Pass --yes to delete without being asked.")
            else {
                try arguments.say("nothing was deleted")
                return .success
            }
        }
        let gone = try catalog.delete(choice, of: subject, permanently: isPermanent)
        let versions = gone.map { "\($0)" }.joined(separator: ", ")
        try arguments.say(
            "deleted subject \"\(subject)\", version \(versions)" + (isPermanent ? ", for good" : ""))
        return .success
    }
}
