/// What an audit has found.
public struct AuditReport: Sendable {
    /// One thing that was compared as a whole.
    public struct Check: Sendable {
        /// `view`, `topic`, `ledger`, `batch`, `alert` or `vintage`.
        public var kind: String
        /// The view, topic, query or run.
        public var name: String
        /// How many values were compared.
        public var cells: Int64
        public var differences: Int64
        /// What was not compared, and why; nil where all was.
        public var note: String?
    }

    /// Something that is stored and was not compared.
    public struct LeftOut: Sendable, Equatable {
        public var kind: String
        public var name: String
        /// How many rows, or messages.
        public var rows: Int64
        public var reason: String
        /// Whether it is no result of anything, such as a record that was set aside as it came: there is nothing to compare it with.
        public var isInput = false
    }

    public var checks: [Check] = []
    /// All that is stored and was not compared.
    public var leftOut: [LeftOut] = []
    /// The first differences, a line each: where, what is there, what should be.
    public var first: [String] = []
    /// Trips that were read again.
    public var trips: Int64 = 0
    /// How often the source was read: more than once where the windows did not fit into memory at once.
    public var passes = 0
    /// Records that the queries have read, and nobody can any more: how many, and what the first one lacks; nil for none.
    public var unreadable: (count: Int64, reason: String)?
    public var seconds = 0.0

    public var cells: Int64 { checks.reduce(0) { $0 + $1.cells } }
    public var differences: Int64 { checks.reduce(0) { $0 + $1.differences } }
    public init() {}
}

/// A check at work: counts, and keeps the first differences.
final class Finding {
    let kind: String
    let name: String
    var cells: Int64 = 0
    private(set) var differences: Int64 = 0
    private var notes: [String] = []
    private(set) var leftOut: [AuditReport.LeftOut] = []
    private var kept: [(order: Int64, text: String)] = []
    /// Differences come in no strict order; so many are held to find the first among them.
    private static let most = 4096

    init(_ kind: String, _ name: String) { (self.kind, self.name) = (kind, name) }

    /// - Parameter order: a time, by which the first differences are chosen.
    func differ(_ order: Int64, _ text: @autoclosure () -> String) {
        differences += 1
        if kept.count < Self.most { kept.append((order, text())) }
    }

    /// Of what has no time.
    func differ(_ text: @autoclosure () -> String) { differ(0, text()) }

    func note(_ text: String) { if !notes.contains(text) { notes.append(text) } }

    /// Notes that rows which are stored are not compared.
    ///
    /// - Parameter isInput: see `AuditReport.LeftOut`.
    func leaveOut(_ rows: Int64, _ reason: String, remark: String? = nil, isInput: Bool = false) {
        note(remark ?? "not compared: \(reason)")
        if let index = leftOut.firstIndex(where: { $0.reason == reason }) {
            leftOut[index].rows = max(leftOut[index].rows, rows)
        } else {
            leftOut.append(.init(kind: kind, name: name, rows: rows, reason: reason, isInput: isInput))
        }
    }

    /// The first differences in their order, each behind the name of the check.
    func first(_ limit: Int) -> [String] {
        // Not a stable sort by time alone, so that two runs name the same.
        kept.sorted { ($0.order, $0.text) < ($1.order, $1.text) }.prefix(limit).map { "\(name) \($0.text)" }
    }

    var check: AuditReport.Check {
        AuditReport.Check(
            kind: kind, name: name, cells: cells, differences: differences,
            note: notes.isEmpty ? nil : notes.joined(separator: "; "))
    }
}
