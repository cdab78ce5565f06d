public import Problems

/// Stops a run in which too much is rejected: a wrong column mapping must never look like success.
///
/// Records are numbered in the order of their files and cut into blocks of 1,000. Too much is more than half of the first block, of any
/// ten blocks in a row, or, where the input ends, of its last ten blocks, of which the last one may not be full. So the verdict
/// depends on the records and their order alone, not on how they are cut into reads, and not on the order in which they are sent.
public struct RejectGuard: Sendable {
    public static let blockSize = 1_000
    private static let windowBlocks = 10

    /// A block in which something was rejected.
    private struct Block: Sendable {
        var rejected = 0
        var reasons: [RejectReason: (count: Int, example: String)] = [:]

        mutating func add(_ reject: Reject) {
            rejected += 1
            reasons[reject.reason, default: (0, "\(reject.location): \(reject.detail)")].count += 1
        }
    }

    private let source: String
    private let isTolerant: Bool
    private let keepsBlocks: Bool
    private let hint: String
    /// Records so far, accepted or not.
    private(set) var records = 0
    private var blocks: [Int: Block] = [:]

    /// - Parameters:
    ///   - isTolerant: never throws; for those who look at a file to see what is wrong with it.
    ///   - keepsBlocks: for whoever meets some rejects when all records are numbered: see `reject(_:ofRecord:)`.
    ///   - hint: what to do about it; nil for a look at a trip file.
    public init(source: String, isTolerant: Bool = false, keepsBlocks: Bool = false, hint: String? = nil) {
        (self.source, self.isTolerant, self.keepsBlocks) = (source, isTolerant, keepsBlocks)
        self.hint = hint ?? "Look at the file with: taxi-cli data profile \(source)"
    }

    /// The same with all blocks kept, before the first record.
    func keepingBlocks() -> RejectGuard {
        RejectGuard(source: source, isTolerant: isTolerant, keepsBlocks: true, hint: hint)
    }

    /// Takes records that follow those before.
    ///
    /// - Throws: `Problem(.badData)` with the three commonest reasons, each with an example.
    public mutating func accept(_ count: Int) throws(Problem) {
        let complete = records / Self.blockSize
        records += count
        if blocks.isEmpty || isTolerant { return }
        for block in complete..<records / Self.blockSize { try judge(complete: block + 1) }
    }

    /// Takes the record that follows those before.
    public mutating func reject(_ reject: Reject) throws(Problem) {
        blocks[records / Self.blockSize, default: Block()].add(reject)
        records += 1
        if records % Self.blockSize == 0 { try judge(complete: records / Self.blockSize) }
    }

    /// Takes records that follow those before, of which some are rejected.
    ///
    /// - Parameter lines: where the accepted ones lie, as the rejects' locations count: growing.
    public mutating func observe(
        accepted lines: UnsafeBufferPointer<Int64>, rejects: some Collection<Reject>
    ) throws(Problem) {
        if rejects.isEmpty { return try accept(lines.count) }
        for step in RejectGuard.steps(accepted: lines, rejects: rejects) {
            try accept(step.accepted)
            if let rejected = step.reject { try reject(rejected) }
        }
    }

    /// How accepted and rejected records follow each other: so many accepted ones, then the reject; none at the end.
    public static func steps(
        accepted lines: UnsafeBufferPointer<Int64>, rejects: some Collection<Reject>
    ) -> [(accepted: Int, reject: Reject?)] {
        var steps: [(accepted: Int, reject: Reject?)] = []
        var next = 0
        for reject in rejects.sorted(by: { $0.location.line < $1.location.line }) {
            let first = next
            while next < lines.count, lines[next] < Int64(reject.location.line) { next += 1 }
            steps.append((next - first, reject))
        }
        if next < lines.count { steps.append((lines.count - next, nil)) }
        return steps
    }

    /// Takes back that a record was accepted, when all records are numbered; needs `keepsBlocks`.
    ///
    /// - Parameter record: its number in the order of the files, from 0.
    mutating func reject(_ reject: Reject, ofRecord record: Int) throws(Problem) {
        let block = record / Self.blockSize
        blocks[block, default: Block()].add(reject)
        let complete = records / Self.blockSize
        for last in block..<min(block + Self.windowBlocks, complete) { try judge(complete: last + 1) }
        if block >= firstBlockOfEnd { try finish() }
    }

    /// To be called at the end of the input.
    public mutating func finish() throws(Problem) {
        let first = firstBlockOfEnd
        try judge(first..<first + Self.windowBlocks, of: records - first * Self.blockSize)
    }

    private var firstBlockOfEnd: Int {
        max(0, (records + Self.blockSize - 1) / Self.blockSize - Self.windowBlocks)
    }

    /// Judges the stretch that ends with a block that is full.
    private mutating func judge(complete count: Int) throws(Problem) {
        let window = Self.windowBlocks
        if count == 1 {
            try judge(0..<1, of: Self.blockSize)
        } else if count >= window {
            try judge(count - window..<count, of: window * Self.blockSize)
        }
        if !keepsBlocks, count >= window { blocks[count - window] = nil }
    }

    private func judge(_ window: Range<Int>, of count: Int) throws(Problem) {
        if isTolerant || blocks.isEmpty { return }
        var rejected = 0
        for block in window { rejected += blocks[block]?.rejected ?? 0 }
        guard rejected * 2 > count else { return }
        let met = window.compactMap { blocks[$0] }
        let reasons: [RejectReason: (count: Int, example: String)] = met.reduce(into: [:]) { sums, block in
            sums.merge(block.reasons) { ($0.count + $1.count, $0.example) }
        }
        let commonest = reasons.sorted { ($1.value.count, $0.key.rawValue) < ($0.value.count, $1.key.rawValue) }
            .prefix(3)
        let list = commonest.map { "\n  \($0.value.count) \($0.key.rawValue), such as \($0.value.example)" }
        var problem = Problem(
            .badData, "\(rejected) of \(count) records of \"\(source)\" cannot be used:\(list.joined())",
            hint: hint)
        problem.rejects = .init(
            records: count,
            byReason: Dictionary(uniqueKeysWithValues: reasons.map { ($0.key.rawValue, $0.value.count) }))
        throw problem
    }
}
