import CommandLine
import SchemaRegistry

enum SchemaRegisterCommand {
    static let command = Command(
        name: "register", summary: "register a schema under a subject",
        discussion: """
            One that is there already keeps its id and version, however it is written. One that does not get on with those before it is refused (exit \
            code 65): schema check says why.
            """,
        examples: [
            Example(
                "taxi-cli schema register trip.avsc --subject chicago_ingestData-value",
                "the schema of a topic's values"),
            Example(
                "taxi-cli schema register trip.avsc -s trips-value --format json | jq .[0].id",
                "its id, for a program of one's own"),
        ],
        arguments: [SchemaCommand.file], options: [SchemaCommand.subjectOption]
    ) { arguments in
        let subject = try SchemaCommand.givenSubject(arguments)
        let text = try SchemaCommand.read(arguments.positionals[0])
        try SchemaCheckCommand.requireSchema(text, file: arguments.positionals[0])
        let registered = try GlobalOptions(arguments).openCatalog(making: arguments.program).register(
            text, under: subject)
        try arguments.write(SchemaCommand.table([registered]))
        return .success
    }
}
