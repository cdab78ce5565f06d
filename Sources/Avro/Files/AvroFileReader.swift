import Basics
public import Problems

/// Reads an object container file, block after block, with no more of it in memory than a block: see `AvroFileWriter`.
///
/// Not thread-safe.
public final class AvroFileReader {
    public struct Block: Sendable {
        /// How many records it says to hold.
        public var count: Int
        /// The records, unpacked.
        public var bytes: [UInt8]
        /// Where the block begins in the file, in bytes.
        public var position: Int64
        /// Number of its first record, from 1.
        public var firstRecord: Int64
    }

    public let schema: AvroSchema
    public let codec: AvroCodec
    /// What the file says of itself, `avro.schema` and `avro.codec` among it.
    public let metadata: [String: [UInt8]]

    private var source: Source
    private let sync: [UInt8]
    private var nextRecord: Int64 = 1

    /// Blocks of writers that anybody uses have some thousand bytes to some million.
    private static let maximumPackedBytes = 256 << 20
    private let blockLimit: Int
    private static let maximumMetadataBytes = 16 << 20

    /// - Parameters:
    ///   - name: of the file, for messages.
    ///   - blockLimit: bytes that a block may have unpacked.
    ///   - read: fills some of a buffer, with as many bytes as it says; none at the end.
    /// - Throws: `.badData` for what is no such file, or has a codec or schema that cannot be read; what `read` throws.
    public init(
        name: String, blockLimit: Int = 512 << 20, read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int
    ) throws {
        var source = Source(name: name, read: read)
        var magic: [UInt8] = []
        while magic.count < AvroFileWriter.magic.count, try source.hasMore() {
            magic += try source.take(1, "its beginning")
        }
        guard magic == AvroFileWriter.magic else {
            throw Problem(
                .badData, "\"\(visible(name))\" is no Avro file: it does not begin with \"Obj\" and 1",
                hint: "Files of Avro are those that its libraries write for data, not single messages of a topic.")
        }
        let metadata = try Self.readMetadata(&source)
        sync = try source.take(AvroFileWriter.syncLength, "its sync marker")
        guard let text = metadata["avro.schema"] else { throw source.damage("it has no schema") }
        schema = try AvroSchema(bytes: text, file: "\(name): avro.schema")
        let word = metadata["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
        guard let codec = AvroCodec(rawValue: word) else {
            throw Problem(
                .badData, "\"\(visible(name))\" is packed by \"\(visible(word))\", which is not read here",
                hint: "Write it again with one of: \(AvroCodec.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        (self.codec, self.metadata, self.source, self.blockLimit) = (codec, metadata, source, blockLimit)
    }

    private static func readMetadata(_ source: inout Source) throws -> [String: [UInt8]] {
        var (metadata, size): ([String: [UInt8]], Int) = ([:], 0)
        func length(_ source: inout Source) throws -> Int {
            let length = try source.long("its metadata")
            guard length >= 0, length <= Int64(maximumMetadataBytes - size) else {
                throw source.damage("its metadata are larger than \(maximumMetadataBytes >> 20) MiB")
            }
            size += Int(length) + 1
            return Int(length)
        }
        while true {
            var count = try source.long("its metadata")
            if count == 0 { return metadata }
            if count < 0 {
                _ = try source.long("its metadata")
                count = count == .min ? .max : -count
            }
            for _ in 0..<count {
                let name = try source.take(try length(&source), "its metadata")
                metadata[String(decoding: name, as: UTF8.self)] = try source.take(try length(&source), "its metadata")
            }
        }
    }

    /// The next block that has records; nil at the end.
    ///
    /// - Throws: `.badData` with the position of a block that is damaged; what reading throws.
    public func next() throws -> Block? {
        while true {
            guard try source.hasMore() else { return nil }
            let position = source.position
            let count = try source.long("a block")
            let length = try source.long("a block")
            guard count >= 0, count <= Int64(Int32.max), length >= 0 else {
                throw source.damage("a block says a number of records or bytes that it cannot have", at: position)
            }
            guard length <= Int64(Self.maximumPackedBytes) else {
                throw source.damage("a block says to be larger than \(Self.maximumPackedBytes >> 20) MiB", at: position)
            }
            let packed = try source.take(Int(length), "a block")
            let bytes: [UInt8]
            do throws(BlockDamage) {
                bytes = try packed.withUnsafeBufferPointer { (packed) throws(BlockDamage) in
                    try codec.unpack(UnsafeRawBufferPointer(packed), limit: blockLimit)
                }
            } catch {
                throw source.damage("a block cannot be unpacked: \(error.reason)", at: position)
            }
            guard try source.take(AvroFileWriter.syncLength, "a block") == sync else {
                throw source.damage("a block does not end with the file's sync marker", at: position)
            }
            defer { nextRecord += count }
            if count > 0 { return Block(count: Int(count), bytes: bytes, position: position, firstRecord: nextRecord) }
        }
    }

    /// A problem of a place in the file.
    public func damage(_ reason: String, at position: Int64) -> Problem { source.damage(reason, at: position) }
}

/// The bytes of a file in their order, some ahead.
private struct Source {
    let name: String
    private let read: (UnsafeMutableRawBufferPointer) throws -> Int
    /// Bytes before the next.
    private(set) var position: Int64 = 0
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    private var pending = 0..<0

    init(name: String, read: @escaping (UnsafeMutableRawBufferPointer) throws -> Int) {
        (self.name, self.read) = (name, read)
    }

    func damage(_ reason: String, at position: Int64? = nil) -> Problem {
        Problem(
            .badData, "\"\(visible(name))\" is damaged at byte \(position ?? self.position): \(reason)",
            hint: "Get the file again from where it came.")
    }

    mutating func hasMore() throws -> Bool {
        if pending.isEmpty {
            let count = try buffer.withUnsafeMutableBytes { try read($0) }
            pending = 0..<count
        }
        return !pending.isEmpty
    }

    private mutating func byte(_ what: String) throws -> UInt8 {
        guard try hasMore() else { throw damage("it ends within \(what)") }
        defer {
            pending = pending.lowerBound + 1..<pending.upperBound
            position += 1
        }
        return buffer[pending.lowerBound]
    }

    mutating func long(_ what: String) throws -> Int64 {
        guard let bits = try Varint.read({ try byte(what) }) else {
            throw damage("a number is longer than ten bytes")
        }
        return Varint.signed(bits)
    }

    /// So many bytes; memory is taken as they come, so that a file cannot ask for more than it has.
    mutating func take(_ count: Int, _ what: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(count, 1 << 20))
        while bytes.count < count {
            guard try hasMore() else { throw damage("it ends within \(what)") }
            let piece = pending.prefix(count - bytes.count)
            bytes += buffer[piece]
            pending = piece.upperBound..<pending.upperBound
            position += Int64(piece.count)
        }
        return bytes
    }
}
