import Avro
import Compression
import Problems

/// Records of a container file of Avro.
final class AvroPartRecords: PartRecords {
    private let options: TripSourceOptions
    private let name: String
    private let file: AvroFileReader
    private var reader: TripAvroReader
    private var block: Block?
    private var skip: Int64
    private let first: Int64
    private(set) var read: Int64 = 0

    /// The block that is being read, and what of it is still to come. The batch points into its bytes.
    private struct Block {
        var bytes: StreamPiece
        var length: Int
        var offset = 0
        var left: Int
    }

    /// Blocks are some kilobytes to some megabytes with whoever writes them.
    private static let blockLimit = 64 << 20

    init(_ part: TripFilePart, _ bytes: DecompressingReader, _ options: TripSourceOptions) throws {
        (self.options, name, skip, first) = (options, part.file, part.skip, part.line)
        file = try AvroFileReader(name: part.file, blockLimit: Self.blockLimit) { try bytes.read(into: $0) }
        reader = try TripAvroReader(schema: file.schema, fields: options.decodedFields)
    }

    var line: Int64 { first + read }
    var header: String? { nil }
    var isCut: Bool { false }

    func fill(_ batch: TripBatch, _ rejects: inout [Reject]) throws -> Bool {
        while true {
            if block == nil || block?.left == 0 {
                guard let next = try file.next() else { return false }
                let bytes = StreamPiece(capacity: max(1, next.bytes.count))
                next.bytes.withUnsafeBytes { bytes.append($0) }
                block = Block(bytes: bytes, length: next.bytes.count, left: next.count)
            }
            guard var current = block else { return false }
            let known = rejects.count
            let before = current
            let taken = try take(&current, into: batch, &rejects)
            guard current.left > 0 || current.offset == current.length else {
                throw Problem(
                    .badData,
                    "\"\(visible(name))\": \(current.length - current.offset) bytes follow record \(line + Int64(taken) - 1) in its block",
                    hint: "Get the file again from where it came.")
            }
            block = current
            guard skip == 0 else {
                // Read before; a batch that holds what was and what was not is read once more from between the two.
                batch.reset()
                rejects.removeLast(rejects.count - known)
                guard Int64(taken) > skip else {
                    skip -= Int64(taken)
                    continue
                }
                var part = before
                let scratch = TripBatch(capacity: 1)
                for _ in 0..<skip {
                    scratch.reset()
                    var passed: [Reject] = []
                    _ = try take(&part, atMost: 1, into: scratch, &passed)
                }
                (block, skip) = (part, 0)
                continue
            }
            try options.rejectAhead(batch, name, &rejects, after: known) { position in
                try bytes(of: Int(position - line), in: before)
            }
            read += Int64(taken)
            return true
        }
    }

    private func take(
        _ block: inout Block, atMost limit: Int = .max, into batch: TripBatch, _ rejects: inout [Reject]
    ) throws(Problem) -> Int {
        var input = AvroInput(UnsafeBufferPointer(start: block.bytes.start, count: block.length))
        input.at += block.offset
        let count = try reader.decode(
            &input, count: min(block.left, limit), first: line, owner: block.bytes, name: name, into: batch,
            rejects: &rejects)
        block.offset = input.offset
        block.left -= count
        return count
    }

    /// The bytes of a record of a block: where it ends is known by reading it.
    private func bytes(of index: Int, in block: Block) throws(Problem) -> [UInt8] {
        var block = block
        let scratch = TripBatch(capacity: 1)
        for number in 0...index {
            let start = block.offset
            scratch.reset()
            var passed: [Reject] = []
            _ = try take(&block, atMost: 1, into: scratch, &passed)
            if number == index {
                return Array(UnsafeBufferPointer(start: block.bytes.start + start, count: block.offset - start))
            }
        }
        return []
    }
}
