internal import Basics
internal import SQLite

/// The rows of a batch, by their keys and the hashes of their contents:
///
///     for each row: its key's length as a varint, the key, the hash as a zigzag varint
struct BatchRows: Sendable {
    private(set) var encoded: [UInt8] = []
    private var keys: [Range<Int>] = []
    private var digests: [Int64] = []

    init() {}

    /// nil for bytes that are none of this form.
    init?(_ bytes: [UInt8]) {
        var reader = RowValuesReader(bytes)
        encoded = bytes
        do throws(RowValues.Malformed) {
            while !reader.isAtEnd {
                let count = try reader.count()
                let start = reader.offset
                _ = try reader.part(count)
                keys.append(start..<start + count)
                digests.append(try reader.signed())
            }
        } catch { return nil }
    }

    var count: Int { keys.count }
    func key(_ index: Int) -> ArraySlice<UInt8> { encoded[keys[index]] }
    func digest(_ index: Int) -> Int64 { digests[index] }
    var first: String { keys.first.map { String(decoding: encoded[$0], as: UTF8.self) } ?? "" }
    var last: String { keys.last.map { String(decoding: encoded[$0], as: UTF8.self) } ?? "" }

    mutating func append(_ key: UnsafeRawBufferPointer, digest: Int64) {
        Varint.append(UInt64(key.count), to: &encoded)
        keys.append(encoded.count..<encoded.count + key.count)
        encoded.append(contentsOf: key)
        Varint.append(signed: digest, to: &encoded)
        digests.append(digest)
    }
}

/// A batch whose sending is written down.
struct IntendedBatch: Sendable {
    var number: Int64
    /// By which the service knows it again, however often it comes: a hash of model, first and last key, and contents.
    var key: String
    var rows: BatchRows
    var request: [UInt8]
}
