import Foundation
import Problems
import PythonSupport
import Testing

@testable import Avro

@Suite struct FileTests {
    static let sync = [UInt8](repeating: 0xa5, count: 16)

    private func file(_ schema: AvroSchema, _ codec: AvroCodec, _ values: [AvroValue]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let writer = try AvroFileWriter(
            schema: schema, codec: codec, metadata: [("made.for", "a test")], sync: Self.sync
        ) {
            bytes.append(contentsOf: $0)
        }
        for value in values { try writer.append(value) }
        try writer.finish()
        return bytes
    }

    /// Gives a file's bytes in pieces.
    private func reader(_ bytes: [UInt8], piece: Int = 1000, limit: Int = 1 << 20) throws -> AvroFileReader {
        var at = 0
        return try AvroFileReader(name: "t.avro", blockLimit: limit) { buffer in
            let count = min(piece, buffer.count, bytes.count - at)
            buffer.copyBytes(from: bytes[at..<at + count])
            at += count
            return count
        }
    }

    private func values(_ reader: AvroFileReader) throws -> [AvroValue] {
        let plan = try AvroPlan(reader.schema)
        var values: [AvroValue] = []
        while let block = try reader.next() {
            #expect(block.firstRecord == Int64(values.count + 1))
            try block.bytes.withUnsafeBufferPointer { bytes in
                var input = AvroInput(bytes)
                for _ in 0..<block.count { values.append(try plan.value(&input)) }
                #expect(input.isAtEnd)
            }
        }
        return values
    }

    @Test(arguments: AvroCodec.allCases, [0, 1, 30_000])
    func readsBackWhatItWrites(codec: AvroCodec, count: Int) throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#)
        let written = (0..<count).map { AvroValue.record([.long(Int64($0)), .string("number \($0 % 100)")]) }
        let bytes = try file(schema, codec, written)
        for piece in [1, 7, 1 << 20] where piece > 1 || count < 100 {
            let reader = try reader(bytes, piece: piece)
            #expect(reader.codec == codec)
            #expect(reader.schema == schema)
            #expect(reader.metadata["made.for"] == Array("a test".utf8))
            #expect(try values(reader) == written)
        }
        // More than one block, each packed for itself.
        if count > 1000 { #expect(bytes.indices.filter { bytes[$0...].starts(with: Self.sync) }.count > 2) }
    }

    @Test(arguments: AvroCodec.allCases) func noDamageMakesItTrap(codec: AvroCodec) throws {
        let schema = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#)
        let written = (0..<40).map { AvroValue.record([.string("text \($0)")]) }
        let bytes = try file(schema, codec, written)
        for cut in 0..<bytes.count {
            let found = try? values(reader(Array(bytes[..<cut])))
            #expect(found == nil || found == [], "cut at \(cut)")
        }
        for at in bytes.indices {
            for flip in [UInt8(1), 0x80, 0xff] {
                var damaged = bytes
                damaged[at] ^= flip
                let found = try? values(reader(damaged))
                // Of plain records nothing tells; a checksum does.
                if codec == .snappy, let found { #expect(found == written, "byte \(at)") }
            }
        }
    }

    @Test func saysWhereAFileIsDamaged() throws {
        let schema = try AvroSchema("\"string\"")
        let bytes = try file(schema, .snappy, [.string(String(repeating: "a", count: 100))])
        func problem(_ bytes: [UInt8]) -> String {
            #expect(throws: Problem.self) { try values(reader(bytes)) }?.message ?? ""
        }
        #expect(problem(Array("Obj".utf8) + [2, 0]).contains("\"t.avro\" is no Avro file"))
        #expect(
            problem(Array(bytes.dropLast())).contains("is damaged at byte \(bytes.count - 1): it ends within a block"))
        var other = bytes
        other[bytes.count - 1] ^= 1
        let head = try #require(bytes.indices.first { bytes[$0...].starts(with: Self.sync) }) + 16
        #expect(problem(other).contains("damaged at byte \(head): a block does not end with the file's sync marker"))
        other = bytes
        other[bytes.count - 17] ^= 1
        #expect(problem(other).contains("a block cannot be unpacked: its checksum is another"))
        let name = try #require(bytes.indices.first { bytes[$0...].starts(with: "snappy".utf8) })
        other.replaceSubrange(name..<name + 6, with: "bzip2 ".utf8)
        #expect(problem(other).contains("is packed by \"bzip2 \""))
    }

    /// A few bytes that would be many.
    @Test func refusesBlocksThatAreBombs() throws {
        let schema = try AvroSchema("\"bytes\"")
        let zeros = [UInt8](repeating: 0, count: 8 << 20)
        for codec in [AvroCodec.deflate, .zstandard] {
            let packed = try zeros.withUnsafeBytes { try codec.pack($0) }
            var bytes = try file(schema, codec, [])
            AvroBinary.append(long: 1, to: &bytes)
            AvroBinary.append(bytes: packed, to: &bytes)
            let problem = #expect(throws: Problem.self) { try values(reader(bytes + Self.sync, limit: 4 << 20)) }
            #expect(problem?.message.contains("larger than 4 MiB") == true)
        }
    }

    /// Reads a file and writes what it read as another one, with fastavro.
    static let copy = """
        import fastavro, sys
        with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
            reader = fastavro.reader(source)
            fastavro.writer(target, reader.writer_schema, reader, codec=sys.argv[3])
            print(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(reader.writer_schema), "CRC-64-AVRO"))
        """

    @Test(.enabled(if: Python.hasPeers), arguments: 0..<12)
    func fastavroReadsOursAndWeReadItsOwn(seed: Int) throws {
        var random = RandomSchemas(seed: UInt64(seed), isPlain: true)
        let schema = try AvroSchema(random.record())
        let written = (0..<200).map { _ in random.value(of: schema, schema.root) }
        let name = FileManager.default.temporaryDirectory.path + "/taxi-avro-\(UUID().uuidString)"
        let (ours, theirs) = (name + ".ours", name + ".theirs")
        defer { for path in [ours, theirs] { try? FileManager.default.removeItem(atPath: path) } }
        let codec = AvroCodec.allCases[seed % 4]
        try Data(try file(schema, codec, written)).write(to: URL(fileURLWithPath: ours))
        let fingerprint = try Python.run(Self.copy, ours, theirs, AvroCodec.allCases[(seed / 4) % 4].rawValue)
        #expect(UInt64(fingerprint.trimmingCharacters(in: .newlines), radix: 16)?.byteSwapped == schema.fingerprint)
        #expect(try values(reader(Array(Data(contentsOf: URL(fileURLWithPath: theirs))))) == written)
    }
}
