import Stream
import Trips

/// One group's state as a row of storage holds it.
struct StoredState {
    /// As many as the plan's words; `nullCell` for null.
    var words: [Int64] = []
    /// Of each histogram its buckets, in the order in which they are stored.
    var histograms: [[Bucket]] = []
    /// Of each `distinct` the text that it is stored as.
    var sketches: [[UInt8]] = []

    typealias Bucket = (bucket: Int64, count: Int64)

    mutating func clear() {
        words.removeAll(keepingCapacity: true)
        histograms.removeAll(keepingCapacity: true)
        sketches.removeAll(keepingCapacity: true)
    }
}

/// Reads the JSON of stored rows: packed groups and histograms, as `QueryPlan+Storage` describes them, and nothing else.
struct PackedReader {
    /// Where bytes are not what they should be, from 0.
    struct Malformed: Error { var offset: Int }

    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// All groups of a window: each with its id and, in `state`, what it holds.
    static func forEachGroup(
        in bytes: UnsafeRawBufferPointer, kinds: [AggregatePlan.Column.Kind], isBare: Bool, state: inout StoredState,
        _ body: (_ id: Int64, _ state: StoredState) -> Void
    ) throws(Malformed) {
        var reader = PackedReader(bytes)
        try reader.expect("{")
        if !reader.take("}") {
            repeat {
                let id = try reader.key()
                state.clear()
                if isBare {
                    state.words.append(try reader.word())
                } else {
                    try reader.states(kinds, into: &state)
                }
                body(id, state)
            } while reader.take(",")
            try reader.expect("}")
        }
        try reader.expectEnd()
    }

    /// A histogram that fills a column of its own.
    static func histogram(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> [StoredState.Bucket] {
        var reader = PackedReader(bytes)
        let buckets = try reader.histogram()
        try reader.expectEnd()
        return buckets
    }

    private mutating func states(_ kinds: [AggregatePlan.Column.Kind], into state: inout StoredState) throws(Malformed)
    {
        try expect("[")
        for (index, kind) in kinds.enumerated() {
            if index > 0 { try expect(",") }
            switch kind {
            case .histogram: state.histograms.append(try histogram())
            case .sketch: state.sketches.append(try text())
            case .word, .nullableWord: state.words.append(try word())
            }
        }
        try expect("]")
    }

    private mutating func histogram() throws(Malformed) -> [StoredState.Bucket] {
        var buckets: [StoredState.Bucket] = []
        try expect("{")
        if take("}") { return buckets }
        repeat {
            let bucket = try key()
            buckets.append((bucket, try integer()))
        } while take(",")
        try expect("}")
        return buckets
    }

    /// Text that needs no escapes.
    private mutating func text() throws(Malformed) -> [UInt8] {
        try expect("\"")
        let start = offset
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\"") {
            if bytes[offset] == UInt8(ascii: "\\") { throw Malformed(offset: offset) }
            offset += 1
        }
        let text = Array(bytes[start..<offset])
        try expect("\"")
        return text
    }

    private mutating func key() throws(Malformed) -> Int64 {
        try expect("\"")
        let key = try integer()
        try expect("\"")
        try expect(":")
        return key
    }

    /// An integer or null.
    private mutating func word() throws(Malformed) -> Int64 {
        guard take("n") else { return try integer() }
        for byte in ["u", "l", "l"] as [Unicode.Scalar] { try expect(byte) }
        return nullCell
    }

    private mutating func integer() throws(Malformed) -> Int64 {
        let isNegative = take("-")
        let start = offset
        var value: Int64 = 0
        while offset < bytes.count, case let digit = bytes[offset] &- 48, digit < 10 {
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = tens.addingReportingOverflow(Int64(digit))
            if isTooLarge || overflow { throw Malformed(offset: start) }
            value = sum
            offset += 1
        }
        guard 1...19 ~= offset - start else { throw Malformed(offset: start) }
        return isNegative ? -value : value
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(truncatingIfNeeded: byte.value) else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ byte: Unicode.Scalar) throws(Malformed) {
        guard take(byte) else { throw Malformed(offset: offset) }
    }

    private func expectEnd() throws(Malformed) {
        guard offset == bytes.count else { throw Malformed(offset: offset) }
    }
}
