public import SQLite
import Trips

/// `distinct_count(x)`: how many distinct values are behind the stored states of a `distinct` together; NULLs count for nothing.
final class DistinctCount: SQLAggregate {
    private var sketch = DistinctSketch()

    func step(_ text: UnsafeRawBufferPointer?) -> String? {
        guard let text else { return nil }
        return sketch.formUnion(stored: text)
            ? nil : "distinct_count: a text of \(text.count) bytes is no state of a distinct"
    }

    func result() -> SQLValue { .integer(sketch.count) }
}

extension Connection {
    /// Makes the functions known that results are read with.
    public func addResultFunctions() throws(SQLiteError) { try add(DistinctCount.self, named: "distinct_count") }
}
