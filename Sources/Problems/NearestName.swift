/// The name that `text` was probably meant to be, or nil where none is near.
///
/// Near: at most a third of the name's letters to insert, delete, replace or swap, case aside; else a name that has the text in it.
/// Source: Damerau, "A technique for computer detection and correction of spelling errors", CACM 7(3), 1964 (adjacent swaps only).
public func nearestName(to text: String, among names: some Sequence<String>) -> String? {
    let typed = Array(text.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for name in names {
        let letters = Array(name.lowercased().utf8)
        let most = max(1, letters.count / 3)
        // Each letter too many or too few is one to delete or insert: a text of a megabyte is near no name, and need not be compared.
        guard abs(typed.count - letters.count) <= most else { continue }
        let distance = editDistance(typed, letters)
        if distance <= most, distance < best?.distance ?? .max { best = (name, distance) }
    }
    if let best { return best.name }
    // A word of four letters is rarely in a name by chance; of what is longer than names nothing is.
    guard typed.count <= 64 else { return nil }
    var word = text.lowercased()
    if word.hasSuffix("s") { word.removeLast() }
    guard word.utf8.count >= 4 else { return nil }
    return names.filter { $0.lowercased().contains(word) }.min {
        ($0.utf8.count, $0) < ($1.utf8.count, $1)
    }
}

private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var row = [i + 1]
        for (j, y) in b.enumerated() {
            var distance = min(last[j + 1] + 1, row[j] + 1, last[j] + (x == y ? 0 : 1))
            if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { distance = min(distance, beforeLast[j - 1] + 1) }
            row.append(distance)
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}
