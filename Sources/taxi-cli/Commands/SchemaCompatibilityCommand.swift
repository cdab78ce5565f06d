import CommandLine
import Problems
import SchemaRegistry

enum SchemaCompatibilityCommand {
    static let command = Command(
        name: "set-compatibility", summary: "set which earlier schemas a new one has to get on with, and how",
        discussion: """
            BACKWARD: the new schema reads what the newest one wrote (consumers first). FORWARD: the newest one reads what the new one writes (producers \
            first). FULL: both. …_TRANSITIVE: the same with all versions. NONE: anything goes. "default" takes a level back.
            """,
        examples: [
            Example("taxi-cli schema set-compatibility FULL", "for all subjects that have no level of their own"),
            Example(
                "taxi-cli schema set-compatibility BACKWARD_TRANSITIVE --subject chicago_ingestData-value", "for one"),
        ],
        arguments: [
            Argument(
                "LEVEL", kind: .choice(CompatibilityLevel.allCases.map(\.rawValue) + ["default"]), help: "the level")
        ],
        options: [SchemaCommand.subjectOption]
    ) { arguments in
        let subject = arguments.text("subject")
        let catalog = try GlobalOptions(arguments).openCatalog(making: arguments.program)
        try catalog.setCompatibility(CompatibilityLevel(rawValue: arguments.positionals[0]), of: subject)
        let level = try catalog.compatibility(of: subject).rawValue
        try arguments.say(subject.map { "subject \"\($0)\" has \(level)" } ?? "the registry has \(level)")
        return .success
    }
}
