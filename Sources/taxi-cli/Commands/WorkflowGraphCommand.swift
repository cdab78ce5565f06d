import CommandLine
import Glibc
import Problems
import Workflow

/// `workflow graph`: the steps and what each needs.
enum WorkflowGraphCommand {
    static let command = Command(
        name: "graph", summary: "draw the steps of a workflow and what each needs",
        discussion: "In the terminal each step is a line, below those that it needs. --svg writes a picture instead.",
        examples: [
            Example("taxi-cli workflow graph monthly", "in the terminal"),
            Example("taxi-cli workflow graph monthly --svg monthly.svg", "as a picture"),
        ],
        arguments: [WorkflowCommand.name],
        options: [
            Option(
                "svg", value: .value("FILE"), kind: .output, help: "write an SVG picture to a file (- for stdout)",
                group: "Output")
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let spec = try WorkflowSession(arguments).folder.load(arguments.positionals[0])
        let graph = WorkflowGraph(spec)
        if let path = arguments.text("svg") {
            try ReportCommand.write(graph.svg, to: path, arguments)
            return .success
        }
        guard arguments.texts("format").isEmpty || arguments.format == .table else {
            var table = Table(columns: [Column("step"), Column("kind"), Column("level", .right), Column("needs")])
            for node in graph.nodes {
                table.rows.append([
                    .text(node.name), .text(node.kind), .integer(Int64(node.level)),
                    .text(node.needs.joined(separator: ", ")),
                ])
            }
            try arguments.write(table)
            return .success
        }
        try arguments.output.write(graph.text)
        return .success
    }
}
