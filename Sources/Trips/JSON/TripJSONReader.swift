internal import CByteScan
import Problems

/// Reads trips from JSON text into the columns of a batch.
///
/// A record is one object of `TripJSON`'s fields, in any order, with any blanks; unknown fields are skipped. All of its syntax is
/// checked and so are the values of all known fields, but only the columns of `fields` are filled. What a value may be:
///
/// - money and numbers: a JSON number (`1.5e1` is 15), or a string with a number as CSV may hold it; rounded and bounded as there
///   (`NumberRule`).
/// - strings and times: a JSON string; times in any form that the CSV may hold.
/// - `event_timestamp`: a string of RFC 3339 (`RFC3339.parse`), never null.
/// - `null`, "", a text that means "nothing here" (`NullText`) and a missing field: an empty cell. A field that comes twice counts with
///   its last value.
///
/// A record that is not this is set aside whole, with the reason: `oversized`, `bad_utf8`, `malformed_json`, then of the first
/// offending field `schema_mismatch`, `bad_number`, `bad_money`, `bad_timestamp`, `out_of_range`, `oversized` or `missing_event_time`.
/// No bytes make it trap.
///
/// One reader a thread: it learns the order in which the records' fields come.
public struct TripJSONReader {
    /// Longer records are `oversized`.
    public static let maximumLength = 1 << 20

    public let fields: TripFieldSet
    /// The keys whose values are wanted: a bit each.
    let wanted: UInt32
    let plans: [ValuePlan]
    let rules = TripField.allCases.map { NumberRule($0) }
    let plainNumbers = TripField.allCases.map { NumberRule($0)?.plainNumbers ?? taxi_number_bounds() }
    private let endings = JSONKeys.endings
    /// The key that last followed each key; at the end, the one that came first.
    private var followers: [UInt8]
    /// Text whose escapes were just resolved.
    var scratch: [UInt8] = []

    /// - Parameter fields: the columns to fill; the event time always is.
    public init(fields: TripFieldSet) {
        self.fields = fields
        wanted = fields.rawValue | 1 << UInt32(JSONKeys.eventTimestamp)
        plans = TripField.allCases.map { ValuePlan($0) } + [.eventTime]
        followers = (0...JSONKeys.count).map { $0 < JSONKeys.count - 1 ? UInt8($0 + 1) : 0 }
    }

    /// Appends records to a batch until it is full.
    ///
    /// Text without escapes stays where it is: the batch points into `base`, which `owner` keeps alive, and all records of a batch
    /// must lie in one such block.
    ///
    /// - Parameters:
    ///   - records: where each record lies, from `base`. Their `position` goes to the batch and to rejects.
    ///   - name: of the file or partition, for rejects.
    /// - Returns: how many of the records were read, accepted or not.
    public mutating func decode(
        _ records: ArraySlice<RecordSlice>, base: UnsafePointer<UInt8>, owner: AnyObject?,
        name: String, into batch: TripBatch, rejects: inout [Reject]
    ) -> Int {
        precondition(batch.count == 0 || batch.source == base, "a batch points into one block")
        batch.source = base
        batch.owner = owner
        batch.fields = fields
        var read = 0
        for record in records {
            if batch.count == batch.capacity { break }
            read += 1
            let start = base + record.offset
            do {
                try decode(start, record.length, into: batch)
                batch.positions[batch.count] = record.position
                batch.count += 1
            } catch {
                rejects.append(
                    Reject(
                        reason: error.reason, detail: error.text,
                        location: InputLocation(file: name, line: Int(record.position), column: error.offset + 1),
                        bytes: Array(
                            UnsafeBufferPointer(
                                start: start,
                                count: record.length > Self.maximumLength ? Reject.keptOfOversized : record.length))))
            }
        }
        return read
    }

    /// Fills the row after the batch's last one.
    @inline(__always)
    private mutating func decode(
        _ start: UnsafePointer<UInt8>, _ length: Int, into batch: TripBatch
    ) throws(RecordFault) {
        guard length <= Self.maximumLength else { throw RecordFault(oversized: length) }
        var end = start + length
        while end > start, JSONCursor.isBlank(end[-1]) { end -= 1 }
        // The cursor needs a last "}". A record without one is looked at again with one, to say where it goes wrong.
        guard end > start, end[-1] == UInt8(ascii: "}") else { throw RecordFault(unclosedFrom: start, to: end) }
        var cursor = JSONCursor(at: start, end: end)
        let fault: FieldFault?
        do {
            fault = try readObject(&cursor, row: batch.count, batch)
        } catch {
            throw RecordFault(error, start: start, end: end)
        }
        if let fault { throw RecordFault(fault, start: start) }
    }

    /// Reads the whole object; returns the first field that is not what it should be.
    @inline(__always)
    private mutating func readObject(
        _ cursor: inout JSONCursor, row: Int, _ batch: TripBatch
    ) throws(JSONFault) -> FieldFault? {
        var seen: UInt32 = 0
        var fault: FieldFault?
        var previous = JSONKeys.count
        try cursor.openObject()
        if cursor.at.pointee == UInt8(ascii: "}") {
            cursor.at += 1
        } else {
            while true {
                let key = try readKey(&cursor, after: previous)
                if key < JSONKeys.count {
                    previous = key
                    seen |= 1 << UInt32(truncatingIfNeeded: key)
                    let start = cursor.at
                    if let reason = try readValue(&cursor, key, row, batch), fault == nil {
                        fault = FieldFault(reason: reason, key: key, at: start, length: cursor.at - start)
                    }
                } else {
                    try cursor.skipValue()
                }
                if try cursor.closesObject() { break }
            }
        }
        if cursor.at != cursor.end { throw JSONFault(kind: .trailingBytes, at: cursor.at) }
        if let fault { return fault }
        if seen & (1 << UInt32(JSONKeys.eventTimestamp)) == 0 {
            return FieldFault(reason: .missingEventTime, key: JSONKeys.eventTimestamp, at: nil, length: 0)
        }
        var missing = fields.rawValue & ~seen
        while missing != 0 {
            batch.cells[missing.trailingZeroBitCount &* batch.capacity &+ row] = nullCell
            missing &= missing &- 1
        }
        return nil
    }

    /// Reads a field's name and colon; returns its key, or `JSONKeys.count` for an unknown field.
    ///
    /// Records of one source have their fields in one order, so the key that followed last time is tried first, with one comparison.
    @inline(__always)
    private mutating func readKey(_ cursor: inout JSONCursor, after previous: Int) throws(JSONFault) -> Int {
        let expected = followers.withUnsafeBufferPointer { Int($0.baseAddress.unsafelyUnwrapped[previous]) }
        if cursor.at.pointee == UInt8(ascii: "\""), cursor.end - cursor.at > JSONKeys.stride {
            let text = UnsafeRawPointer(cursor.at + 1).loadUnaligned(as: SIMD4<UInt64>.self)
            let wanted = UnsafeRawPointer(endings.bytes + expected &* JSONKeys.stride).loadUnaligned(
                as: SIMD4<UInt64>.self)
            let different = (text ^ wanted) & endings.masks[expected]
            let halves = different.lowHalf | different.highHalf
            if halves[0] | halves[1] == 0 {
                cursor.at += endings.lengths[expected] &+ 1
                cursor.skipBlanks()
                return expected
            }
        }
        return try readUnexpectedKey(&cursor, after: previous)
    }

    @inline(never)
    private mutating func readUnexpectedKey(
        _ cursor: inout JSONCursor, after previous: Int
    ) throws(JSONFault) -> Int {
        guard cursor.at.pointee == UInt8(ascii: "\"") else { throw JSONFault(kind: .noKey, at: cursor.at) }
        let name = try cursor.string()
        try cursor.skipColon()
        var key: Int?
        if name.hasEscapes {
            unescape(name)
            key = scratch.withUnsafeBufferPointer { JSONKeys.find($0) }
        } else {
            key = JSONKeys.find(name.bytes)
        }
        guard let key else { return JSONKeys.count }
        followers[previous] = UInt8(key)
        return key
    }

    mutating func unescape(_ string: JSONString) {
        scratch.removeAll(keepingCapacity: true)
        JSONEscape.unescape(string.bytes, into: &scratch)
    }
}
