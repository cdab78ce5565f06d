import SQLite
import Testing

/// Expects the same rows in any order; numbers with a fraction may differ in the last bits, or by `tolerance` of their value in the
/// columns `loose`.
///
/// The first rows that differ are shown, not all of them.
func expectSameRows(
    _ actual: [[SQLValue]], _ expected: [[SQLValue]], _ name: String, key: Int, loose: Range<Int> = 0..<0,
    tolerance: Double = 0, sourceLocation: SourceLocation = #_sourceLocation
) {
    func sorted(_ rows: [[SQLValue]]) -> [[SQLValue]] {
        rows.map { (key: "\($0.prefix(key))", row: $0) }.sorted { $0.key < $1.key }.map(\.row)
    }
    #expect(actual.count == expected.count, "rows of \(name)", sourceLocation: sourceLocation)
    let differences = zip(sorted(actual), sorted(expected)).filter { a, b in
        a.count != b.count
            || zip(a, b).enumerated().contains { index, pair in
                !isSame(pair.0, pair.1, within: loose.contains(index) ? tolerance : 1e-12)
            }
    }
    let shown = differences.prefix(3).map { "\n  is     \($0.0)\n  not as \($0.1)" }.joined()
    #expect(differences.isEmpty, "\(differences.count) rows of \(name) differ:\(shown)", sourceLocation: sourceLocation)
}

private func isSame(_ a: SQLValue, _ b: SQLValue, within share: Double) -> Bool {
    guard case .real(let a) = a, case .real(let b) = b else { return a == b }
    return abs(a - b) <= share * max(abs(a), abs(b))
}
