import CommandLine
import SchemaRegistry

enum SchemaListCommand {
    static let command = Command(
        name: "list", summary: "list the subjects, or the versions of one",
        examples: [
            Example("taxi-cli schema list", "each subject with its newest version and level of compatibility"),
            Example("taxi-cli schema list chicago_ingestData-value --deleted", "all versions that there ever were"),
        ],
        arguments: [
            Argument("SUBJECT", .optional, help: "a subject whose versions are wanted", names: CompletedNames.subjects)
        ],
        options: [Option("deleted", help: "with what was deleted, but not for good")]
    ) { arguments in
        let catalog = try GlobalOptions(arguments).openCatalog()
        let deleted = arguments.isOn("deleted")
        if let subject = arguments.positionals.first {
            let numbers = try catalog.versionNumbers(of: subject, deleted: deleted)
            let schemas = try numbers.map { try catalog.schema(.number($0), of: subject, deleted: deleted) }
            // Says that there is no such subject.
            if schemas.isEmpty { _ = try catalog.schema(.latest, of: subject, deleted: deleted) }
            try arguments.write(SchemaCommand.table(schemas))
            return .success
        }
        var table = Table(columns: [
            Column("subject"), Column("versions", .right), Column("latest", .right), Column("id", .right),
            Column("compatibility"),
        ])
        for subject in try catalog.subjectNames(deleted: deleted) {
            let latest = try catalog.schema(.latest, of: subject, deleted: deleted)
            table.rows.append([
                .text(subject), .integer(Int64(try catalog.versionNumbers(of: subject, deleted: deleted).count)),
                .integer(Int64(latest.version)), .integer(Int64(latest.id)),
                .text(try catalog.compatibility(of: subject).rawValue),
            ])
        }
        if table.rows.isEmpty {
            try arguments.say("there are no schemas yet; taxi-cli schema register makes the first")
        }
        try arguments.write(table)
        return .success
    }
}
