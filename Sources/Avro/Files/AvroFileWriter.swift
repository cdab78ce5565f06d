import Problems

/// Writes an object container file.
///
///     magic      4 bytes, "Obj" and 1
///     metadata   a map of bytes: `avro.schema` (JSON text), `avro.codec`, and what else somebody wants to say
///     sync       16 bytes, drawn for the file
///     blocks     each: a long for the number of records, a long for its bytes, the records one behind the other, packed by the codec (of
///                snappy CRC-32 of what they are unpacked follows, 4 bytes, the highest first), and the sync again
///
/// Not thread-safe.
public final class AvroFileWriter {
    public let schema: AvroSchema
    public let codec: AvroCodec
    /// Records of all blocks, those that still wait among them.
    public private(set) var count: Int64 = 0
    private let sync: [UInt8]
    private let write: (UnsafeRawBufferPointer) throws -> Void
    private var block: [UInt8] = []
    private var blockCount: Int64 = 0

    static let magic: [UInt8] = [0x4f, 0x62, 0x6a, 1]
    static let syncLength = 16
    /// Records are gathered until they are so many bytes.
    private static let blockBytes = 256 << 10

    /// - Parameters:
    ///   - metadata: besides schema and codec; names with `avro.` are the format's own.
    ///   - sync: 16 bytes that no record is likely to hold; drawn unless said.
    ///   - write: receives the file's bytes in their order.
    /// - Throws: what `write` throws.
    public init(
        schema: AvroSchema, codec: AvroCodec = .null, metadata: [(name: String, value: String)] = [],
        sync: [UInt8]? = nil, write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        (self.schema, self.codec, self.write) = (schema, codec, write)
        var generator = SystemRandomNumberGenerator()
        self.sync = sync ?? (0..<Self.syncLength).map { _ in UInt8.random(in: 0...255, using: &generator) }
        precondition(self.sync.count == Self.syncLength, "a sync has 16 bytes")
        var head = Self.magic
        let entries = [("avro.schema", schema.text), ("avro.codec", codec.rawValue)] + metadata
        AvroBinary.append(long: Int64(entries.count), to: &head)
        for (name, value) in entries {
            AvroBinary.append(bytes: name.utf8, to: &head)
            AvroBinary.append(bytes: value.utf8, to: &head)
        }
        head.append(0)
        try (head + self.sync).withUnsafeBytes { try write($0) }
    }

    /// Adds whole records, one behind the other.
    public func append(_ records: UnsafeRawBufferPointer, count: Int) throws {
        block.append(contentsOf: records)
        blockCount += Int64(count)
        self.count += Int64(count)
        if block.count >= Self.blockBytes { try writeBlock() }
    }

    public func append(_ value: AvroValue) throws {
        var bytes: [UInt8] = []
        try value.encode(as: schema, into: &bytes)
        try bytes.withUnsafeBytes { try append($0, count: 1) }
    }

    /// Writes what still waits; call once, at the end.
    public func finish() throws { try writeBlock() }

    private func writeBlock() throws {
        guard blockCount > 0 else { return }
        let packed = try block.withUnsafeBytes { try codec.pack($0) }
        var head: [UInt8] = []
        AvroBinary.append(long: blockCount, to: &head)
        AvroBinary.append(long: Int64(packed.count), to: &head)
        try head.withUnsafeBytes { try write($0) }
        try packed.withUnsafeBytes { try write($0) }
        try sync.withUnsafeBytes { try write($0) }
        block.removeAll(keepingCapacity: true)
        blockCount = 0
    }
}
