import Time
public import Avro
public import Problems

/// Reads trips from Avro's bytes into the columns of a batch, whoever wrote them.
///
/// The writer's fields are found by their names, in any order; others are passed over, and what the writer does not have is empty. Each
/// field may be of any type that can mean it:
///
/// - text: string.
/// - money: decimal (bytes or fixed), double, float, int or long in dollars, string; with `_cents` behind its name int or long in cents.
/// - other numbers: int, long, double, float, decimal, string.
/// - times: string in any form that a file may have; `local-timestamp-millis` or `-micros`.
/// - `event_timestamp`: `timestamp-millis` or `-micros`, string of RFC 3339; never null.
///
/// Each may be in a union with null. A field whose own name is no trip's is taken for the one that an alias of it names, unless the schema
/// has that as well: a writer that renames a field says so, and its values are not lost. A record whose values cannot be used is set aside whole, for the reasons of `TripJSONReader`; no bytes
/// make it trap.
public struct TripAvroReader {
    public let fields: TripFieldSet
    private let plan: AvroPlan
    private var visitor: TripVisitor

    /// - Parameter fields: the columns to fill; the event time always is. The others are checked as well.
    /// - Throws: `.badData` for a schema of no record, or of one with a field that can mean no trip's, or without `event_timestamp`.
    public init(schema: AvroSchema, fields: TripFieldSet = .all) throws(Problem) {
        self.fields = fields
        let visitor = try TripVisitor(schema: schema, fields: fields)
        let slots = TripVisitor.slots(of: schema)
        plan = try AvroPlan(schema, selecting: { slots[$0] })
        self.visitor = visitor
    }

    /// Appends records to a batch until it is full, as `TripJSONReader.decode` does: text stays where it is, in `base`, which `owner` keeps.
    ///
    /// - Parameter headerLength: bytes in front of each record.
    /// - Returns: how many of the records were read, accepted or not.
    public mutating func decode(
        _ records: ArraySlice<RecordSlice>, base: UnsafePointer<UInt8>, owner: AnyObject?, name: String,
        headerLength: Int = 0, into batch: TripBatch, rejects: inout [Reject]
    ) -> Int {
        prepare(batch, base, owner)
        var read = 0
        for record in records {
            if batch.count == batch.capacity { break }
            read += 1
            let bytes = UnsafeBufferPointer(start: base + record.offset, count: record.length)
            var input = AvroInput(bytes)
            var fault: (reason: RejectReason, text: String)?
            do throws(AvroFault) {
                _ = try input.take(headerLength)
                fault = try decode(&input, into: batch)
                if fault == nil, !input.isAtEnd {
                    fault = (.schemaMismatch, "byte \(input.offset): more follows the record")
                }
            } catch {
                fault = (error.kind == .notUTF8 ? .badUTF8 : .schemaMismatch, plan.text(error))
            }
            accept(fault, bytes, record.position, name, batch, &rejects)
        }
        return read
    }

    /// Appends records that lie one behind the other, as in a block of a container file, until the batch is full.
    ///
    /// - Parameters:
    ///   - input: lies in `base`'s block; is moved behind what was read.
    ///   - count: how many there are.
    ///   - first: number of the first, for messages.
    /// - Returns: how many were read, accepted or not.
    /// - Throws: `.badData` for bytes that are no record: nobody knows where the next one begins.
    public mutating func decode(
        _ input: inout AvroInput, count: Int, first: Int64, owner: AnyObject?, name: String, into batch: TripBatch,
        rejects: inout [Reject]
    ) throws(Problem) -> Int {
        prepare(batch, input.start, owner)
        var read = 0
        while read < count, batch.count < batch.capacity {
            let start = input.at
            let position = first + Int64(read)
            read += 1
            let fault: (reason: RejectReason, text: String)?
            do throws(AvroFault) {
                fault = try decode(&input, into: batch)
            } catch {
                throw Problem(.badData, "\"\(visible(name))\": record \(position) cannot be read: \(plan.text(error))")
            }
            let bytes = UnsafeBufferPointer(start: start, count: input.at - start)
            accept(fault, bytes, position, name, batch, &rejects)
        }
        return read
    }

    private func prepare(_ batch: TripBatch, _ base: UnsafePointer<UInt8>, _ owner: AnyObject?) {
        precondition(batch.count == 0 || batch.source == base, "a batch points into one block")
        (batch.source, batch.owner, batch.fields) = (base, owner, fields)
    }

    private func accept(
        _ fault: (reason: RejectReason, text: String)?, _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int64,
        _ name: String, _ batch: TripBatch, _ rejects: inout [Reject]
    ) {
        guard let fault else {
            batch.positions[batch.count] = position
            batch.count += 1
            return
        }
        rejects.append(
            Reject(
                reason: fault.reason, detail: fault.text,
                location: InputLocation(file: name, line: Int(position), column: 1), bytes: Array(bytes)))
    }

    /// Fills the row after the batch's last one; says what of a whole record cannot be used.
    @inline(__always)
    private mutating func decode(
        _ input: inout AvroInput, into batch: TripBatch
    ) throws(AvroFault) -> (reason: RejectReason, text: String)? {
        visitor.begin(batch)
        try plan.read(&input, into: &visitor)
        return visitor.end()
    }
}
