internal import Problems
public import Trips

/// Where the values of a batch of records lie, in memory that stays where it is for as long as `owner` does.
public struct RecordSlices {
    /// From `base`, each with its record's offset; of no length where the record has no value.
    public let slices: ArraySlice<RecordSlice>
    public let base: UnsafePointer<UInt8>
    public let owner: AnyObject

    /// - Parameters:
    ///   - batch: one of records.
    ///   - skip: how many of them are passed over.
    /// - Throws: `.badData` for a payload that is none of records, or of another count than the batch says.
    public init(_ batch: StoredBatch, skip: Int = 0) throws {
        if let lent = batch.values {
            (slices, base, owner) = (lent.slices.dropFirst(skip), lent.start, lent)
            return
        }
        // One copy, which the slices then point into.
        let block = RecordBytes(batch.payload)
        var found: [RecordSlice] = []
        found.reserveCapacity(max(0, batch.count - skip))
        var index = 0
        try RecordBatch.forEach(in: block.bytes) { record in
            defer { index += 1 }
            guard index >= skip else { return }
            let offset = record.value?.baseAddress.map { $0 - block.start } ?? 0
            found.append(
                RecordSlice(
                    offset: offset, length: record.value?.count ?? 0, position: batch.baseOffset + Int64(index)))
        }
        guard index == batch.count else { throw batch.damage }
        (slices, base, owner) = (found[...], block.start.assumingMemoryBound(to: UInt8.self), block)
    }
}

/// A copy of a payload that stays where it is.
private final class RecordBytes {
    let bytes: UnsafeRawBufferPointer
    var start: UnsafeRawPointer { bytes.baseAddress! }  // never empty

    init(_ payload: [UInt8]) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, payload.count), alignment: 16)
        block.copyBytes(from: payload)
        bytes = UnsafeRawBufferPointer(rebasing: block[..<payload.count])
    }
    deinit { bytes.deallocate() }
}
