import Foundation
import PythonSupport
import Testing

@testable import Avro

/// fastavro as the judge, over schemas and values that nobody thought of: messages and container files both ways, and what a reader with another
/// schema makes of them.
@Suite(.enabled(if: Python.hasPeers, "needs fastavro")) struct PeersTests {
    /// Schemas a seed, in one Python: its start takes longer than all of them.
    private static let schemas = 25
    private static let values = 20

    private struct Sample {
        var schema: AvroSchema
        var written: [AvroValue]
    }

    private func samples(_ seed: Int) throws -> [Sample] {
        try (0..<Self.schemas).map { index in
            var random = RandomSchemas(seed: UInt64(seed * 1000 + index), isPlain: true)
            let schema = try AvroSchema(random.record())
            return Sample(schema: schema, written: (0..<Self.values).map { _ in random.value(of: schema, schema.root) })
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        let digits = Array(hex.utf8)
        return try stride(from: 0, to: digits.count, by: 2).map { start in
            try #require(UInt8(String(decoding: digits[start..<start + 2], as: UTF8.self), radix: 16))
        }
    }

    /// Runs a program over lines of JSON; the lines that it prints.
    private func run(_ program: String, _ lines: [[String: Any]]) throws -> [String] {
        let path = FileManager.default.temporaryDirectory.path + "/peers-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = try lines.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
        try text.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        return try Python.run(program, path).split(separator: "\n").map(String.init)
    }

    // MARK: Messages

    private static let messages = """
        import fastavro, io, json, struct, sys
        for line in open(sys.argv[1]):
            case = json.loads(line)
            writer = fastavro.parse_schema(case["writer"])
            reader = fastavro.parse_schema(case["reader"])
            for message in case["messages"]:
                source = io.BytesIO(bytes.fromhex(message))
                magic, number = struct.unpack(">bI", source.read(5))
                assert (magic, number) == (0, case["id"]), (magic, number)
                value = fastavro.schemaless_reader(source, writer, reader)
                assert not source.read(1), "bytes are left"
                target = io.BytesIO(struct.pack(">bI", 0, case["id"]))
                target.seek(0, 2)
                fastavro.schemaless_writer(target, reader, value)
                print(target.getvalue().hex())
        """

    /// What fastavro reads of our messages by each sample's reader, and writes again.
    private func passed(_ samples: [Sample], by readers: [AvroSchema]) throws -> [[[UInt8]]] {
        var lines: [[String: Any]] = []
        for (index, (sample, reader)) in zip(samples, readers).enumerated() {
            let messages = try sample.written.map { value in
                var frame = [UInt8](repeating: 0, count: ConfluentFrame.headerLength)
                frame.withUnsafeMutableBufferPointer {
                    _ = ConfluentFrame.write(schemaID: UInt32(index + 70_000), to: $0.baseAddress!)
                }
                try value.encode(as: sample.schema, into: &frame)
                return Self.hex(frame)
            }
            let texts = try [sample.schema, reader].map { schema in
                try JSONSerialization.jsonObject(with: Data(schema.text.utf8), options: .fragmentsAllowed)
            }
            lines.append(["writer": texts[0], "reader": texts[1], "id": index + 70_000, "messages": messages])
        }
        let printed = try run(Self.messages, lines)
        try #require(printed.count == samples.count * Self.values)
        return try samples.indices.map { index in
            try printed[index * Self.values..<(index + 1) * Self.values].map { line in
                let bytes = try Self.bytes(line)
                let frame = try bytes.withUnsafeBufferPointer { try #require(ConfluentFrame($0)) }
                #expect(frame.schemaID == UInt32(index + 70_000))
                return Array(bytes[ConfluentFrame.headerLength...])
            }
        }
    }

    @Test(arguments: 0..<4) func messagesComeBackAsTheyWere(seed: Int) throws {
        let samples = try samples(seed)
        for (sample, returned) in zip(samples, try passed(samples, by: samples.map(\.schema))) {
            let plan = try AvroPlan(sample.schema)
            let found = try returned.map { try plan.value($0) }
            #expect(found == sample.written, "\(sample.schema.text)")
        }
    }

    /// Fields that went, came with a default, moved, were renamed, or became wider: both find the same.
    @Test(arguments: 10..<14) func readersOfOtherSchemasFindTheSame(seed: Int) throws {
        let samples = try samples(seed)
        let readers = try samples.enumerated().map { index, sample in
            try AvroSchema(Self.changed(sample.schema.text, seed: UInt64(seed * 1000 + index)))
        }
        for ((sample, reader), theirs) in zip(zip(samples, readers), try passed(samples, by: readers)) {
            let (ours, same) = (try AvroPlan(writer: sample.schema, reader: reader), try AvroPlan(reader))
            for (value, returned) in zip(sample.written, theirs) {
                var bytes: [UInt8] = []
                try value.encode(as: sample.schema, into: &bytes)
                let found = try ours.value(bytes)
                #expect(try found == same.value(returned), "\(sample.schema.text) as \(reader.text)")
            }
        }
    }

    /// A record's schema as its next version, which can read what the last one wrote.
    private static func changed(_ text: String, seed: UInt64) throws -> String {
        var random = RandomSchemas(seed: seed &+ 77)
        var record = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        var fields: [[String: Any]] = []
        for var field in try #require(record["fields"] as? [[String: Any]]) {
            switch (random.below(5), field["type"] as? String) {
            case (0, _) where fields.count > 1: continue
            case (1, _):
                field["aliases"] = [field["name"]]
                field["name"] = "renamed_\(field["name"] ?? "")"
            case (_, "int"): field["type"] = ["long", "float", "double", "int"][random.below(4)]
            case (_, "long"): field["type"] = ["double", "long"][random.below(2)]
            case (_, "float"): field["type"] = "double"
            case (_, "string"): field["type"] = ["null", "string"]
            default: break
            }
            fields.append(field)
        }
        let added: [[String: Any]] = [
            ["name": "added_text", "type": "string", "default": "né"],
            ["name": "added_none", "type": ["null", "long"], "default": NSNull()],
            ["name": "added_list", "type": ["type": "array", "items": "int"], "default": [1, -2]],
        ]
        fields.insert(added[random.below(3)], at: random.below(fields.count + 1))
        record["fields"] = fields.count > 2 && random.below(2) == 0 ? fields.reversed() : fields
        return String(decoding: try JSONSerialization.data(withJSONObject: record), as: UTF8.self)
    }

    // MARK: Files

    private static let copy = """
        import fastavro, json, sys
        for line in open(sys.argv[1]):
            case = json.loads(line)
            with open(case["ours"], "rb") as source, open(case["theirs"], "wb") as target:
                reader = fastavro.reader(source)
                assert reader.codec == case["codec"], reader.codec
                fastavro.writer(target, reader.writer_schema, list(reader), codec=case["to"], sync_interval=2000)
        """

    /// Each pair of codecs: what we have packed by one, fastavro unpacks, packs by the other, and we read.
    @Test(arguments: 20..<22) func filesOfEachCodecComeBackAsTheyWere(seed: Int) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/peers-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let pairs = AvroCodec.allCases.flatMap { ours in AvroCodec.allCases.map { (ours, $0) } }
        let samples = Array(try samples(seed).prefix(pairs.count))
        var lines: [[String: Any]] = []
        for (index, (sample, (ours, theirs))) in zip(samples, pairs).enumerated() {
            var bytes: [UInt8] = []
            let writer = try AvroFileWriter(schema: sample.schema, codec: ours) { bytes += $0 }
            for value in sample.written { try writer.append(value) }
            try writer.finish()
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(index).ours"))
            lines.append([
                "ours": "\(folder)/\(index).ours", "theirs": "\(folder)/\(index).theirs", "codec": ours.rawValue,
                "to": theirs.rawValue,
            ])
        }
        _ = try run(Self.copy, lines)
        for (index, (sample, (_, theirs))) in zip(samples, pairs).enumerated() {
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(index).theirs")))
            var place = 0
            let reader = try AvroFileReader(name: "theirs", blockLimit: 1 << 20) { buffer in
                let count = min(buffer.count, bytes.count - place)
                buffer.copyBytes(from: bytes[place..<place + count])
                place += count
                return count
            }
            #expect(reader.codec == theirs)
            let plan = try AvroPlan(writer: reader.schema, reader: sample.schema)
            var found: [AvroValue] = []
            while let block = try reader.next() {
                try block.bytes.withUnsafeBufferPointer { bytes in
                    var input = AvroInput(bytes)
                    for _ in 0..<block.count { found.append(try plan.value(&input)) }
                }
            }
            #expect(found == sample.written, "\(pairs[index])")
        }
    }
}
