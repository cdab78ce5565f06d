internal import Glibc
internal import Problems

/// The log of one service: lines with the time, in a file that is put aside when it is large.
///
///     NAME.log        what is written to
///     NAME.log.1 …    earlier ones, the newest first
///
/// Where the disk is full, lines are lost and the service goes on.
final class ServiceLog {
    let path: String
    private var spec: LogSpec
    private var file: Int32 = -1
    private var size: Int64 = 0
    /// What has come of a line whose end has not.
    private var rest: [UInt8] = []
    /// The last lines, for whoever asks why the service has ended.
    private(set) var lastLines: [String] = []

    /// The line that says most of why the service has ended: its error, else what it said last.
    var lastWords: String { lastLines.last { $0.contains("error: ") } ?? lastLines.last ?? "" }

    private static let keptLines = 10
    private static let longestLine = 64 << 10

    init(path: String, spec: LogSpec) {
        (self.path, self.spec) = (path, spec)
        open()
        removeOld()
    }

    deinit { if file >= 0 { close(file) } }

    func change(_ spec: LogSpec) { self.spec = spec }

    private func open() {
        file = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        var status = stat()
        size = file >= 0 && fstat(file, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// Takes bytes as they come; whole lines are written.
    func take(_ bytes: ArraySlice<UInt8>) {
        rest += bytes
        var text: [UInt8] = []
        let time = Array(Self.time().utf8)
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            add(rest[..<end], time, to: &text)
            rest.removeSubrange(...end)
        }
        if rest.count > Self.longestLine {
            add(rest[...], time, to: &text)
            rest.removeAll()
        }
        write(text)
    }

    /// A line of serve itself.
    func note(_ line: String) {
        var text: [UInt8] = []
        add(Array("serve: \(visible(line))".utf8)[...], Array(Self.time().utf8), to: &text, isKept: false)
        write(text)
    }

    /// The process has ended: what it has begun is all there will be.
    func end() {
        guard !rest.isEmpty else { return }
        take([UInt8(ascii: "\n")])
    }

    /// Another process begins: the last words are of an earlier one.
    func begin() { lastLines.removeAll() }

    private func add(_ line: ArraySlice<UInt8>, _ time: [UInt8], to text: inout [UInt8], isKept: Bool = true) {
        text += time
        text += line
        text.append(UInt8(ascii: "\n"))
        guard isKept, !line.isEmpty else { return }
        lastLines.append(visible(String(decoding: line.prefix(1000), as: UTF8.self)))
        if lastLines.count > Self.keptLines { lastLines.removeFirst() }
    }

    private func write(_ text: [UInt8]) {
        guard !text.isEmpty else { return }
        if size > 0, size + Int64(text.count) > spec.sizeBytes { rotate() }
        guard file >= 0 else { return }
        try? Files.write(text, to: file, of: path)
        size += Int64(text.count)
    }

    private func rotate() {
        if file >= 0 { close(file) }
        if spec.files == 0 { unlink(path) }
        for number in stride(from: spec.files, through: 1, by: -1) {
            rename(number == 1 ? path : "\(path).\(number - 1)", "\(path).\(number)")
        }
        removeOld()
        open()
    }

    /// Takes away what is older, or more, than is to be kept.
    private func removeOld() {
        let (folder, name) = (Files.folder(of: path), path.split(separator: "/").last.map(String.init) ?? "")
        for other in Files.names(in: folder) ?? [] where other.hasPrefix("\(name).") {
            guard let number = Int(other.dropFirst(name.utf8.count + 1)) else { continue }
            var status = stat()
            guard stat("\(folder)/\(other)", &status) == 0 else { continue }
            let ageMs = (Int64(Glibc.time(nil)) - Int64(status.st_mtim.tv_sec)) * 1000
            if number > spec.files || ageMs > spec.ageMs { unlink("\(folder)/\(other)") }
        }
    }

    /// In UTC, to the millisecond.
    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let ms = Int(now.tv_nsec / 1_000_000)
        let thousandths = ms < 10 ? "00\(ms)" : ms < 100 ? "0\(ms)" : "\(ms)"
        return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
            + "\(two(parts.tm_min)):\(two(parts.tm_sec)).\(thousandths)Z "
    }
}
