internal import Basics
internal import Foundation
import Glibc
public import Problems
import Trips

/// What writes Parquet: DuckDB, as a program or as a module of Python.
public struct ParquetEngine: Sendable {
    public enum Kind: Sendable { case program, python }
    let kind: Kind
    /// A path, or a name that is looked for in the folders of PATH.
    let command: String

    /// - Throws: `.unavailable` where there is neither, with what to install.
    public static func find() throws(Problem) -> ParquetEngine {
        if runs("duckdb", ["-c", "SELECT 1"]) { return ParquetEngine(kind: .program, command: "duckdb") }
        if runs("python3", ["-c", "import duckdb"]) { return ParquetEngine(kind: .python, command: "python3") }
        throw Problem(
            .unavailable,
            "Parquet is written by DuckDB, and neither the program \"duckdb\" nor Python's module is here",
            hint:
                "Install one, such as with \"pip install duckdb\" for the python3 of your PATH, or take --format avro.")
    }

    private static func runs(_ program: String, _ words: [String]) -> Bool {
        let nowhere = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nowhere >= 0 else { return false }
        defer { close(nowhere) }
        let code = try? ChildStart.runToEnd(
            program, [program] + words, environment: ProcessInfo.processInfo.environment, input: nowhere,
            output: nowhere, errors: nowhere)
        return code == 0
    }

    /// Words that run SQL and print what its last statement gives.
    fileprivate func words(_ sql: [String]) -> [String] {
        switch kind {
        case .program: return [command, "-noheader", "-list", "-c", sql.joined(separator: "; ")]
        case .python:
            let script = """
                import duckdb, sys
                for statement in sys.argv[1:]: answer = duckdb.execute(statement).fetchone()
                print(answer[0])
                """
            return [command, "-c", script] + sql
        }
    }
}

/// Gives DuckDB rows of CSV, which it makes a Parquet file of.
///
/// Used by one thread.
final class ParquetWriter {
    struct Column {
        var name: String
        /// DuckDB's name of its type.
        var type: String
    }

    private let engine: ParquetEngine
    private let pid: pid_t
    /// The program's standard input; -1 once it is closed.
    private var input: Int32
    /// What it says, and what it answers: files without names.
    private let (answer, errors): (UnsafeMutablePointer<FILE>, UnsafeMutablePointer<FILE>)
    private var hasEnded = false

    /// Values that are longer do not go through DuckDB's reader.
    private static let longestLine = 32 << 20

    /// - Throws: `.usage` for a target that is no file; what starting the program throws.
    init(_ engine: ParquetEngine, columns: [Column], to target: FileReplacement) throws(Problem) {
        self.engine = engine
        var status = stat()
        guard fstat(target.descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Problem(.usage, "a Parquet file cannot be written into a pipe or device", hint: "Name a file.")
        }
        guard let answer = tmpfile(), let errors = tmpfile() else {
            throw Problem(writing: "a temporary file", errno)
        }
        (self.answer, self.errors) = (answer, errors)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Problem(writing: "a pipe", errno) }
        // The program must not hold the end open that it waits for.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        input = ends[1]
        defer { close(ends[0]) }
        // By another name of the open file, which has none that a reader could meet before it is whole.
        let path = "/proc/\(getpid())/fd/\(target.descriptor)"
        do throws(ChildStart.Refusal) {
            pid = try ChildStart.run(
                engine.command, engine.words(Self.statements(columns, path)),
                environment: ProcessInfo.processInfo.environment, input: ends[0], output: fileno(answer),
                errors: fileno(errors))
        } catch {
            close(ends[1])
            throw Problem(.unavailable, "cannot start \(engine.command): \(Problem.text(error.number))")
        }
    }

    deinit {
        if input >= 0 { close(input) }
        if !hasEnded {
            kill(pid, SIGTERM)
            _ = wait()
        }
        fclose(answer)
        fclose(errors)
    }

    private static func statements(_ columns: [Column], _ path: String) -> [String] {
        let types = columns.map { "\(SQLText.literal($0.name)): \(SQLText.literal($0.type))" }.joined(separator: ", ")
        let rows = """
            read_csv('/dev/stdin', header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', \
            allow_quoted_nulls = false, parallel = false, max_line_size = \(longestLine), buffer_size = \(longestLine), \
            columns = {\(types)})
            """
        return [
            // It keeps what it reads from a pipe; with a limit it puts that on the disk, and with one thread it stays near the limit.
            "SET enable_progress_bar = false", "SET threads = 1", "SET memory_limit = '512MB'",
            "SET temp_directory = \(SQLText.literal(NSTemporaryDirectory() + "/taxi-cli.\(getpid()).duckdb"))",
            "COPY (SELECT * FROM \(rows)) TO \(SQLText.literal(path)) (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)",
            "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata(\(SQLText.literal(path)))",
        ]
    }

    /// - Throws: what the program says where it takes no more.
    func write(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(input, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno != EINTR {
                let number = errno
                _ = wait()
                throw failure ?? Problem(writing: "to \(engine.command)", number)
            }
        }
    }

    /// Waits until the file is whole.
    ///
    /// - Throws: what the program says where it fails; `.software` where the file has other than so many rows.
    func finish(rows: Int64) throws(Problem) {
        close(input)
        input = -1
        let code = wait()
        if code != 0 { throw failure ?? Problem(.software, "\(engine.command) ended with exit code \(code)") }
        let text = Self.text(of: answer).split(separator: "\n").last.map(String.init) ?? ""
        guard Int64(text) == rows else {
            throw Problem(.software, "\(engine.command) wrote \(text.isEmpty ? "no" : text) rows, not \(rows)")
        }
    }

    private func wait() -> Int32 {
        guard !hasEnded else { return 0 }
        hasEnded = true
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return ChildStart.exitCode(ofStatus: status)
    }

    /// What the program has said on its end.
    private var failure: Problem? {
        let lines = Self.text(of: errors).split(separator: "\n")
        guard let line = lines.last(where: { $0.contains("Error") }) ?? lines.last else { return nil }
        let isFull = line.contains("No space left")
        return Problem(
            isFull ? .inputOutput : .software, "\(engine.command) cannot write the file: \(line)",
            hint: isFull ? Problem.hint(ENOSPC) : nil)
    }

    private static func text(of file: UnsafeMutablePointer<FILE>) -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = pread(fileno(file), &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(
            in: .whitespacesAndNewlines)
    }

    /// The columns of a table, as DuckDB has them.
    static func columns(of shape: ExportShape, money: TripMoney) -> [Column] {
        switch shape {
        case .trips:
            return TripField.allCases.map { field in
                let type =
                    switch field.kind {
                    case .string, .timestamp: "VARCHAR"
                    case .integer: "BIGINT"
                    case .decimal: "DOUBLE"
                    case .money: money == .cents ? "BIGINT" : "DECIMAL(18,2)"
                    }
                return Column(name: money.name(of: field), type: type)
            } + [Column(name: "event_timestamp", type: "TIMESTAMPTZ")]
        case .objects(let columns):
            return columns.map { column in
                let type =
                    switch column.kind {
                    case .integer: "BIGINT"
                    case .number: "DOUBLE"
                    case .boolean: "BOOLEAN"
                    case .text: "VARCHAR"
                    }
                return Column(name: column.name, type: type)
            }
        case .records:
            let types = ["partition": "INTEGER", "offset": "BIGINT", "timestamp": "TIMESTAMPTZ"]
            return RecordRows.columns.map { Column(name: $0, type: types[$0] ?? "VARCHAR") }
        }
    }
}
