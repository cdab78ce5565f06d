import SQLite

extension ProducerMark {
    /// The columns of `producers` that `init(_:epochs:)` takes, in its order.
    static let columns = "name, epoch, sequence, position"

    /// The mark of a row of `producers`; nil where the producer has stored none yet.
    ///
    /// - Parameter epochs: those that may have been given out.
    init?(_ row: Statement, epochs: ClosedRange<Int64> = .counts) throws(SQLiteError) {
        guard let epoch = try row.optionalInteger(1, in: epochs) else { return nil }
        self.init(
            producer: try row.storedText(0), epoch: epoch, sequence: try row.integer(2, in: .counts),
            position: try row.blob(3))
    }
}
