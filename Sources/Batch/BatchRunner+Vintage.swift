import SQLite
public import Time

extension BatchRunner {
    /// Keeps all answers as they stand, before somebody changes what they were computed from; inside a transaction of the caller's.
    ///
    /// - Parameter name: of the vintage; where there is one of that name, a number follows it.
    /// - Returns: the name that it got; nil where nothing was ever answered.
    public func keepAnswers(as name: String, nowMs: EventTime) throws -> String? {
        guard try BatchSchema.exists("batch_vintages", on: connection) else { return nil }
        let views = try vintageViews()
        let hasAnswers = try views.contains { view in
            try BatchSchema.exists(view.name, on: connection)
                && connection.value("SELECT 1 FROM \(view.name) LIMIT 1") != nil
        }
        guard hasAnswers else { return nil }
        let taken = Set(try VintageDiff.names(on: connection).map { $0.lowercased() })
        var (found, number) = (name, 2)
        while taken.contains(found.lowercased()) { (found, number) = ("\(name)-\(number)", number + 1) }
        try Vintages(connection: connection).replace(found, views: views, nowMs: nowMs)
        return found
    }
}
