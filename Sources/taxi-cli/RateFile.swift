import Glibc
import Problems
import Replay

/// How `produce --set-rate` reaches a running replay: the new pace stands in a file, and SIGUSR1 says so.
///
/// `<home>/<tenant>/produce.pace`: the replay's process number on the first line, the asked pace on the second.
struct RateFile {
    private let path: String

    /// Announces this process as the tenant's running replay.
    init(folder: String) throws(Problem) {
        path = "\(folder)/produce.pace"
        try Self.write("\(getpid())\n", to: path)
    }

    func remove() { unlink(path) }

    /// The pace that was asked for last; nil where nobody asked or the text is none.
    func read() -> Pace? {
        Self.lines(of: path).dropFirst().first.flatMap { try? Pace.parse($0) }
    }

    /// - Throws: `Problem(.unavailable)` where no replay of the tenant runs.
    static func send(_ pace: String, folder: String, tenant: String) throws(Problem) {
        let path = "\(folder)/produce.pace"
        guard let process = lines(of: path).first.flatMap({ Int32($0) }), kill(process, 0) == 0 else {
            throw Problem(
                .unavailable, "no replay of tenant \"\(tenant)\" is running",
                hint: "Start one with taxi-cli produce FILE --rate \(pace).")
        }
        try write("\(process)\n\(pace)\n", to: path)
        kill(process, SIGUSR1)
    }

    private static func lines(of path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Replaces the file in one step, so that nobody reads half of it.
    private static func write(_ text: String, to path: String) throws(Problem) {
        let temporary = "\(path).\(getpid())"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Problem(.create, temporary, errno) }
        defer { close(file) }
        try Files.write(Array(text.utf8), to: file, of: temporary)
        guard rename(temporary, path) == 0 else { throw Problem(.rename, temporary, errno) }
    }
}
