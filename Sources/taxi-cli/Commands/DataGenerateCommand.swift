import CommandLine
import Datasets
import Problems
import Time

/// `data generate`: trip files that are no one's trips.
enum DataGenerateCommand {
    static let command = Command(
        name: "generate", summary: "make a trip file that looks like the City's, of any size",
        discussion: """
            The same options give the same bytes on any machine. The file has the official columns, day and night, seasons \
            and years, masked places, empty fields and oddities in the shares that real files have.
            """,
        examples: [
            Example("taxi-cli data generate --rows 1000000 trips.csv.zst", "a million trips of 2024"),
            Example(
                "taxi-cli data generate --style rideshare rides.csv", "ride-hailing trips, as the City publishes them"),
            Example(
                "taxi-cli data generate --rows 5000 --from 2024-04-13 --to 2024-04-13 --dirty 1% -",
                "one day with defects to stdout"),
        ],
        arguments: [
            Argument("OUT", kind: .output, help: "a file, packed if it ends in .gz or .zst, or - for stdout")
        ],
        options: [
            Option("rows", short: "n", value: .value("N"), kind: .count, default: "100000", help: "how many trips"),
            Option("seed", value: .value("N"), kind: .count, default: "1", help: "another seed, other trips"),
            Option(
                "from", value: .value("DAY"), kind: .custom(checkDay), default: "2024-01-01",
                help: "first day on which a trip starts"),
            Option(
                "to", value: .value("DAY"), kind: .custom(checkDay), default: "2024-12-31",
                help: "last day on which a trip starts"),
            Option(
                "style", value: .value("STYLE"), kind: .choice(TripFileStyle.allCases.map(\.rawValue)),
                default: "portal",
                help:
                    "portal writes 45.50 as today's export; dollar writes $45.50, a 24th column and CRLF as that of 2016; rideshare the 24 columns of the City's ride-hailing trips"
            ),
            Option(
                "order", value: .value("ORDER"), kind: .choice(TripGenerator.Order.allCases.map(\.rawValue)),
                default: "shuffled", help: "shuffled as the City's files are, or by the time of the start"),
            Option(
                "dirty", value: .value("SHARE"), kind: .percentage, default: "0%",
                help: "share of rows with each of seven defects, such as a bad number or a field too few"),
            TripFileOutput.forceOption,
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let first = try day(arguments.text("from") ?? "")
        let last = try day(arguments.text("to") ?? "")
        guard first <= last else {
            throw arguments.problem(
                "to", "the last day lies before the first", hint: "Give --from and --to in this order.")
        }
        var options = TripGenerator.Options(rows: Int(arguments.integer("rows") ?? 0), days: first...last)
        options.seed = UInt64(arguments.integer("seed") ?? 1)
        options.style = TripFileStyle(rawValue: arguments.text("style") ?? "") ?? .portal
        options.order = TripGenerator.Order(rawValue: arguments.text("order") ?? "") ?? .shuffled
        let dirty = arguments.number("dirty") ?? 0
        let kinds = TripDefect.allCases.count
        guard dirty * Double(kinds) <= 1 else {
            throw arguments.problem(
                "dirty", "\(kinds) kinds of defects in so many rows each are more than all rows",
                hint: "Ask for at most \(100 / kinds)%.")
        }
        options.defectsPerMillion = Int((dirty * 1_000_000).rounded())
        return try TripFileOutput(arguments.positionals[0], arguments).write(TripGenerator(options))
    }

    private static func checkDay(_ text: String) throws(Problem) { _ = try day(text) }

    /// Days since 1970-01-01.
    private static func day(_ text: String) throws(Problem) -> Int {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in part.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } ? Int(part) : nil }
        guard parts.map(\.utf8.count) == [4, 2, 2], numbers.count == 3, (1...12).contains(numbers[1]),
            (1...Calendar.days(in: numbers[1], of: numbers[0])).contains(numbers[2])
        else { throw Problem(.usage, "\"\(text)\" is no day", hint: "Write it like 2024-04-13.") }
        return Calendar.day(year: numbers[0], month: numbers[1], day: numbers[2])
    }
}
