import CommandLine
import Compression
import Glibc
import Problems
import Stream

/// `worker`: computes ranges for a coordinator elsewhere.
enum WorkerCommand {
    static let command = Command(
        name: "worker",
        summary: "compute ranges of a topic or parts of files for a coordinator: what each task of an engine runs",
        discussion: """
            Reads a plan and ranges, as frames, from stdin, and writes one partial for each range to stdout: the states of the queries, \
            rejects, late records and counts, to be merged by "taxi-cli stream --engine spark", which starts it. A range of a topic it reads \
            itself; the trips of part of a file (CSV, packed or not, JSON lines, a container of Avro) follow that range on stdin. It keeps no \
            state and commits nothing, so that a range may be computed twice, or elsewhere. docs/FORMATS.md describes the frames.
            """,
        examples: [
            Example(
                "taxi-cli worker --broker kafka:9092 < request > partial", "one task, as an engine runs it")
        ],
        options: [
            Option("request", value: .value("FILE"), kind: .file, help: "read the frames from a file instead of stdin")
        ],
        run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        let (descriptor, name) = try request(arguments)
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        func nextFrame() throws -> (kind: WireFrame.Kind, payload: [UInt8])? {
            try WireFrame.next { try read($0, from: descriptor, name) }
        }
        func refuse() -> Problem {
            Problem(
                .badData, "a worker is given one plan and then ranges, and this is something else",
                hint: "taxi-cli stream --engine spark starts workers; docs/FORMATS.md says what they read.")
        }
        guard let plan = try nextFrame(), plan.kind == .plan else { throw refuse() }
        let reader = try RangeReader(plan: plan.payload, build: TaxiCLI.version) {
            guard let store = try globals.openTopicsIfAny() else {
                throw Problem(
                    .noInput, "tenant \"\(globals.tenant)\" has no topics in \"\(globals.home)\"",
                    hint: "Embedded topics can be read on the machine that has them only; elsewhere say --broker.")
            }
            return store
        }
        let output = TextWriter(descriptor: STDOUT_FILENO, path: "stdout")
        var hasGivenBytes = false
        while !hasGivenBytes, let range = try nextFrame() {
            guard range.kind == .range else { throw refuse() }
            let partial = try reader.partial(of: range.payload) {
                // All that follows is the part's.
                hasGivenBytes = true
                return try DecompressingReader(descriptor: descriptor, name: name)
            }
            try partial.withUnsafeBytes { try output.write($0) }
            try output.flush()
        }
        return .success
    }

    private static func request(_ arguments: ParsedArguments) throws -> (descriptor: Int32, name: String) {
        guard let path = arguments.text("request") else { return (STDIN_FILENO, "stdin") }
        let descriptor = path.withFileName { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            throw Problem(.read, path, errno)
        }
        return (descriptor, path)
    }

    /// So many bytes, or fewer at the end: not one more, since what follows a range may be read by somebody else.
    private static func read(_ count: Int, from descriptor: Int32, _ name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(count, 1 << 20))
        while bytes.count < count {
            let found = Glibc.read(descriptor, &buffer, min(buffer.count, count - bytes.count))
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else {
                throw Problem(Problem.Code(errno, doing: .read), "cannot read \(name): \(Problem.text(errno))")
            }
            if found == 0 { break }
            bytes += buffer[..<found]
        }
        return bytes
    }
}
