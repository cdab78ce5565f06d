import CommandLine
import Glibc
import Problems
import Stream

/// `worker`: computes ranges for a coordinator elsewhere.
enum WorkerCommand {
    static let command = Command(
        name: "worker", summary: "compute ranges of a topic for a coordinator: what each task of an engine runs",
        discussion: """
            Reads a plan and ranges, as frames, from stdin, and writes one partial for each range to stdout: the states of the queries, \
            rejects, late records and counts, to be merged by "taxi-cli stream --engine spark", which starts it. It keeps no state and \
            commits nothing, so that a range may be computed twice, or elsewhere. docs/FORMATS.md describes the frames.
            """,
        examples: [
            Example(
                "taxi-cli worker --broker kafka:9092 < request > partial", "one task, as an engine runs it")
        ],
        options: [
            Option("request", value: .value("FILE"), kind: .file, help: "read the frames from a file instead of stdin")
        ],
        run: run)

    /// A plan and some ranges are far less.
    private static let maximumRequest = 256 << 20

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let frames = try WireFrame.all(in: request(arguments))
        guard let plan = frames.first, plan.kind == .plan, frames.dropFirst().allSatisfy({ $0.kind == .range }) else {
            throw Problem(
                .badData, "a worker is given one plan and then ranges, and this is something else",
                hint: "taxi-cli stream --engine spark starts workers; docs/FORMATS.md says what they read.")
        }
        guard let store = try globals.openTopicsIfAny() else {
            throw Problem(
                .noInput, "tenant \"\(globals.tenant)\" has no topics in \"\(globals.home)\"",
                hint: "Embedded topics can be read on the machine that has them only; elsewhere say --broker.")
        }
        let reader = try RangeReader(plan: plan.payload, build: TaxiCLI.version, store: store)
        let output = TextWriter(descriptor: STDOUT_FILENO, path: "stdout")
        for range in frames.dropFirst() {
            try reader.partial(of: range.payload).withUnsafeBytes { try output.write($0) }
            try output.flush()
        }
        return .success
    }

    private static func request(_ arguments: ParsedArguments) throws -> [UInt8] {
        var descriptor = STDIN_FILENO
        if let path = arguments.text("request") {
            descriptor = path.withFileName { open($0, O_RDONLY | O_CLOEXEC) }
            guard descriptor >= 0 else {
                throw Problem(Problem.Code(errno, doing: .read), "cannot read \"\(path)\": \(Problem.text(errno))")
            }
        }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Problem(Problem.Code(errno, doing: .read), "cannot read the request: \(Problem.text(errno))")
            }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= maximumRequest else {
                throw Problem(.badData, "the request is longer than \(maximumRequest >> 20) MB, which none is")
            }
        }
    }
}
