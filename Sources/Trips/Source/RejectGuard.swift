public import Problems

/// Stops a run in which too much is rejected: a wrong column mapping must never look like success.
///
/// More than half of the first 1,000 records, of any later 10,000, or of an input that ends before its first 1,000.
public struct RejectGuard: Sendable {
    private let source: String
    private let isTolerant: Bool
    private var seen = 0
    private var rejected = 0
    private var window = 1_000
    private var reasons: [RejectReason: (count: Int, example: String)] = [:]

    /// - Parameter isTolerant: never throws; for those who look at a file to see what is wrong with it.
    public init(source: String, isTolerant: Bool = false) { (self.source, self.isTolerant) = (source, isTolerant) }

    /// - Throws: `Problem(.badData)` with the three commonest reasons, each with an example.
    public mutating func observe(accepted: Int, rejects: some Sequence<Reject>) throws(Problem) {
        seen += accepted
        for reject in rejects {
            seen += 1
            rejected += 1
            reasons[reject.reason, default: (0, "\(reject.location): \(reject.detail)")].count += 1
        }
        if seen >= window { try judge() }
    }

    /// To be called at the end of the input.
    public mutating func finish() throws(Problem) {
        if window == 1_000 { try judge() }
    }

    private mutating func judge() throws(Problem) {
        if rejected * 2 > seen, !isTolerant {
            let commonest = reasons.sorted { ($1.value.count, $0.key.rawValue) < ($0.value.count, $1.key.rawValue) }
                .prefix(3)
            let list = commonest.map { "\n  \($0.value.count) \($0.key.rawValue), such as \($0.value.example)" }
            throw Problem(
                .badData, "\(rejected) of \(seen) records of \"\(source)\" cannot be used:\(list.joined())",
                hint: "Look at the file with: taxi-cli data profile \(source)")
        }
        (seen, rejected, window) = (0, 0, 10_000)
        reasons.removeAll(keepingCapacity: true)
    }
}
