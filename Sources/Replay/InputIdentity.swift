import Foundation
import Glibc
public import Problems
import Trips

/// By what a resumed replay knows its input again: a file may have moved, but not changed.
public struct InputIdentity: Codable, Sendable, Equatable {
    /// The file's name without its folder; `stdin` for standard input.
    var name: String
    /// In bytes; nil for a stream, which cannot be known again.
    var size: Int64?
    /// XXH3 of the first and the last 64 KiB, in hexadecimal; nil for a stream.
    var hash: String?
    /// XXH3 of all bytes; nil for a stream, and until it is known. Earlier versions kept none.
    var content: String?
    /// What the system said of the file: while that is the same, nobody has touched it. Earlier versions kept none.
    var stamp: String?

    private static let sampleSize = 64 << 10

    init(name: String, size: Int64?, hash: String?, content: String? = nil, stamp: String? = nil) {
        (self.name, self.size, self.hash) = (name, size, hash)
        (self.content, self.stamp) = (content, stamp)
    }

    /// Whether it can be known again.
    public var isKnown: Bool { size != nil && hash != nil }

    /// Whether name, size, beginning and end are the same.
    func looksLike(_ other: InputIdentity) -> Bool {
        (name, size, hash) == (other.name, other.size, other.hash)
    }

    /// Whether a path leads to something that can be read twice; one that leads nowhere, or to a folder, is told of where it is opened.
    public static func canBeReadAgain(_ path: String) -> Bool {
        var status = stat()
        return path != "-" && (stat(path, &status) != 0 || [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT))
    }

    /// - Throws: `Problem(.noInput)` for a file that cannot be opened, `.inputOutput` for one that cannot be read.
    public init(path: String) throws(Problem) {
        guard path != "-" else {
            self.init(name: "stdin", size: nil, hash: nil)
            return
        }
        let name = URL(fileURLWithPath: path).lastPathComponent
        // `stat` follows links: /dev/stdin and the shell's <(…) lead to pipes, from which nothing may be read to know them.
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Problem(.read, path, errno, hint: "Check the path, or see: taxi-cli data sample")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw Problem(.noInput, "\"\(path)\" is a folder", hint: "Name the files in it, such as \"\(path)/*.csv\".")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            self.init(name: name, size: nil, hash: nil)
            return
        }
        do {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw Problem(.read, path, errno) }
            let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            let size = try file.seekToEnd()
            try file.seek(toOffset: 0)
            var sample = try file.read(upToCount: Self.sampleSize) ?? Data()
            try file.seek(toOffset: size - min(size, UInt64(Self.sampleSize)))
            sample.append(try file.read(upToCount: Self.sampleSize) ?? Data())
            let hash = sample.withUnsafeBytes { contentHash($0) }
            self.init(
                name: name, size: Int64(size), hash: String(hash, radix: 16), stamp: InputWatch.stamp(of: path))
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(.inputOutput, "cannot read \"\(path)\": \(error.localizedDescription)")
        }
    }
}

extension InputIdentity {
    /// The identity of a file that somebody else has looked at: the same as if it lay here.
    ///
    /// - Parameters:
    ///   - name: without its folder.
    ///   - first, last: its first and its last 64 KiB, each all of it where it is smaller.
    public init(name: String, size: Int64, first: [UInt8], last: [UInt8]) {
        let hash = (first + last).withUnsafeBytes { contentHash($0) }
        self.init(name: name, size: size, hash: String(hash, radix: 16))
    }

    /// Many files as one, so that a position stays small wherever it is kept: Kafka takes some thousand bytes.
    static func compacted(_ inputs: [InputIdentity]) -> [InputIdentity] {
        let text = inputs.map(\.description).joined(separator: "\n")
        guard inputs.count > 1, text.utf8.count > 1500 else { return inputs }
        let isKnown = inputs.allSatisfy { $0.size != nil && $0.hash != nil }
        let hash = Array(text.utf8).withUnsafeBytes { contentHash($0) }
        return [
            InputIdentity(
                name: "\(inputs.count) files", size: isKnown ? inputs.reduce(0) { $0 + ($1.size ?? 0) } : nil,
                hash: isKnown ? String(hash, radix: 16) : nil,
                stamp: joined(inputs.map { $0.stamp ?? "" }))
        ]
    }

    /// Puts what was found for each file (`ContentHash.hashes`) where it belongs.
    static func noting(_ contents: [String], in inputs: [InputIdentity]) -> [InputIdentity] {
        var inputs = inputs
        if inputs.count == contents.count {
            for index in inputs.indices where !contents[index].isEmpty { inputs[index].content = contents[index] }
        } else if !inputs.isEmpty, !contents.contains("") {
            inputs[0].content = joined(contents)
        }
        return inputs
    }

    /// One short text in place of many.
    private static func joined(_ texts: [String]) -> String {
        let hash = Array(texts.joined(separator: "\n").utf8).withUnsafeBytes { contentHash($0) }
        return String(hash, radix: 16)
    }
}

extension InputIdentity: CustomStringConvertible {
    /// Name, size and hash in one word: the same for the same file, wherever it lies.
    public var description: String { name + withoutName }

    /// The end of it: the same for a link, a copy or another name.
    public var withoutName: String { ":\(size.map(String.init) ?? "?"):\(hash ?? "?")" }
}
