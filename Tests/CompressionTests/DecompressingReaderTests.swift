import TestSupport
import Basics
import Foundation
import Problems
import Testing

@testable import Compression

@Suite struct DecompressingReaderTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var suffix: String
        var sizeBytes: Int
        var readSizeBytes: Int
        var testDescription: String { "\(sizeBytes) bytes in \(suffix), \(readSizeBytes) at a time" }
    }

    static let cases: [Case] = ["csv", "csv.gz", "csv.zst"].flatMap { suffix in
        [(0, 10), (1, 1), (3, 100), (5000, 7), (3_000_000, 1 << 16), (3_000_000, 5_000_000)].map {
            Case(suffix: suffix, sizeBytes: $0.0, readSizeBytes: $0.1)
        }
    }

    @Test(arguments: cases)
    func givesBackWhatWasWritten(_ c: Case) throws {
        let folder = try TemporaryFolder()
        let path = folder("trips.\(c.suffix)")
        let content = text(c.sizeBytes)
        try write(content, to: path)
        #expect(try readAll(path, at: c.readSizeBytes) == content)
    }

    @Test(arguments: ["gz", "zst"])
    func readsSeveralMembersAsOneFile(_ suffix: String) throws {
        let folder = try TemporaryFolder()
        let (first, second) = (folder("a.\(suffix)"), folder("b.\(suffix)"))
        try write(text(400_000), to: first)
        try write(text(77), to: second)
        let both = try bytes(first) + bytes(second) + bytes(first)
        try save(both, as: folder("both"))
        #expect(try readAll(folder("both")) == text(400_000) + text(77) + text(400_000))
    }

    @Test func looksAtTheBytesAndNotAtTheName() throws {
        let folder = try TemporaryFolder()
        try write(text(1000), to: folder("a.gz"))
        try save(bytes(folder("a.gz")), as: folder("a.csv"))
        #expect(try readAll(folder("a.csv")) == text(1000))
        try save(text(1000), as: folder("plain.gz"))
        #expect(try readAll(folder("plain.gz")) == text(1000))
    }

    @Test func allowsZeroPaddingAfterGzipAndNothingElse() throws {
        let folder = try TemporaryFolder()
        try write(text(1000), to: folder("a.gz"))
        let packed = try bytes(folder("a.gz"))
        try save(packed + [UInt8](repeating: 0, count: 512), as: folder("padded"))
        #expect(try readAll(folder("padded")) == text(1000))
        try save(packed + [0, 0, 7], as: folder("dirty"))
        #expect(throws: Problem.self) { try readAll(folder("dirty")) }
        try save(packed + Array("more".utf8), as: folder("more"))
        #expect(throws: Problem.self) { try readAll(folder("more")) }
    }

    /// Where a file ends early, what came before is given out, and then the place of the end is named.
    @Test(arguments: ["gz", "zst"])
    func saysWhereATruncatedFileEnds(_ suffix: String) throws {
        let folder = try TemporaryFolder()
        try write(text(2_000_000), to: folder("a.\(suffix)"))
        let packed = try bytes(folder("a.\(suffix)"))
        for length in [5, 17, packed.count / 2, packed.count - 1] {
            let path = folder("cut.\(suffix)")
            try save(Array(packed[..<length]), as: path)
            let reader = try DecompressingReader(path: path)
            var content: [UInt8] = []
            let problem = #expect(throws: Problem.self) { try drain(reader, into: &content) }
            #expect(problem?.code == .badData)
            #expect(problem?.message.contains("\"\(path)\"") == true)
            #expect(problem?.message.contains("byte \(length)") == true)
            #expect(text(2_000_000).starts(with: content))
            #expect(throws: Problem.self, "stays broken") { try drain(reader, into: &content) }
        }
    }

    /// A flipped byte is either noticed, or lies where it changes nothing (a gzip header's time, say).
    @Test(arguments: ["gz", "zst"], [1, 2, 3] as [UInt64])
    func noticesFlippedBytes(_ suffix: String, seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let content = text(300_000)
        try write(content, to: folder("a.\(suffix)"))
        let packed = try bytes(folder("a.\(suffix)"))
        var random = SplitMix64(seed: seed)
        for _ in 0..<60 {
            var flipped = packed
            let place = Int.random(in: 4..<packed.count, using: &random)
            flipped[place] ^= UInt8.random(in: 1...255, using: &random)
            try save(flipped, as: folder("flipped"))
            do {
                #expect(try readAll(folder("flipped")) == content, "byte \(place), seed \(seed)")
            } catch let problem as Problem {
                // A window that is said to be large, of zstd, may be none of this machine's.
                #expect(problem.code == .badData || suffix == "zst" && problem.code == .tryAgain)
            }
        }
    }

    /// `cat` of many files, most of them empty, is one file.
    @Test(arguments: ["gz", "zst"])
    func readsManyMembers(_ suffix: String) throws {
        let folder = try TemporaryFolder()
        try write([], to: folder("empty.\(suffix)"))
        try write(Array("one more\n".utf8), to: folder("one.\(suffix)"))
        let (empty, one) = try (bytes(folder("empty.\(suffix)")), bytes(folder("one.\(suffix)")))
        let many = (0..<20_000).flatMap { $0 % 100 == 0 ? one : empty }
        try save(many, as: folder("many"))
        #expect(try readAll(folder("many")) == Array(String(repeating: "one more\n", count: 200).utf8))
        try save(many + Array("garbage".utf8), as: folder("more"))
        let problem = #expect(throws: Problem.self) { try readAll(folder("more")) }
        #expect(problem?.code == .badData && problem?.message.contains("is damaged at byte") == true)
    }

    /// 2 GiB need 4 to spare; what every zstd unpacks is unpacked on the smallest machine.
    @Test(
        arguments: [(0, 27), (1 << 28, 27), (1 << 30, 29), (4_294_967_295, 30), (1 << 32, 31), (Int.max, 31)]
            as [(Int, Int32)])
    func aWindowTakesHalfOfTheMemoryAtMost(_ availableBytes: Int, _ log: Int32) {
        #expect(ZstdDecoder.windowLog(availableBytes: availableBytes) == log)
    }

    @Test func namesWhatIsNotThere() throws {
        let folder = try TemporaryFolder()
        try save(text(3), as: folder("trips-2024.csv"))
        let problem = #expect(throws: Problem.self) { _ = try DecompressingReader(path: folder("trips-2O24.csv")) }
        #expect(problem?.code == .noInput)
        #expect(problem?.hint?.contains("trips-2024.csv") == true)
        #expect(throws: Problem.self) { _ = try DecompressingReader(path: folder("")) }
        #expect(throws: Problem.self) { _ = try CompressingWriter(path: folder("none/a.gz")) }
    }

    @Test func readsAPipeAsItComes() throws {
        let pipe = Pipe()
        let reading = pipe.fileHandleForReading.fileDescriptor
        pipe.fileHandleForWriting.write(Data("tr".utf8))
        pipe.fileHandleForWriting.write(Data("ips,".utf8))
        let reader = try DecompressingReader(descriptor: reading, name: "standard input")
        var content: [UInt8] = []
        try readOnce(reader, into: &content)
        #expect(content == Array("trips,".utf8))
        pipe.fileHandleForWriting.write(Data("more".utf8))
        try pipe.fileHandleForWriting.close()
        try drain(reader, into: &content)
        #expect(content == Array("trips,more".utf8))
        #expect(reader.bytePosition == 10)
    }
}

@discardableResult
private func readOnce(_ reader: DecompressingReader, into content: inout [UInt8], at size: Int = 1 << 16) throws -> Int
{
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    defer { buffer.deallocate() }
    let count = try reader.read(into: buffer)
    content.append(contentsOf: buffer[..<count])
    return count
}

private func drain(_ reader: DecompressingReader, into content: inout [UInt8], at size: Int = 1 << 16) throws {
    while try readOnce(reader, into: &content, at: size) > 0 {}
}

private func readAll(_ path: String, at size: Int = 1 << 16) throws -> [UInt8] {
    var content: [UInt8] = []
    try drain(DecompressingReader(path: path), into: &content, at: size)
    return content
}

private func write(_ content: [UInt8], to path: String) throws {
    let writer = try CompressingWriter(path: path)
    for start in stride(from: 0, to: content.count, by: 100_000) {
        try writer.write(Array(content[start..<min(start + 100_000, content.count)]))
    }
    try writer.finish()
}

/// Lines that pack well, but not to nothing.
private func text(_ sizeBytes: Int) -> [UInt8] {
    var random = SplitMix64(seed: 7)
    var bytes: [UInt8] = []
    while bytes.count < sizeBytes {
        bytes += Array("\(random.next() % 1_000_000),2024-01-22,POINT (-87.6 41.9)\n".utf8)
    }
    return Array(bytes[..<sizeBytes])
}

private func bytes(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path))) }
private func save(_ bytes: [UInt8], as path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
