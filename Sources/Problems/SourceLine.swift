/// What of a line is shown at most, in bytes before and behind the place that is meant.
private let shownBytes = 100

/// What a message shows of a line in UTF-8, and where in that a column stands: all of it, or the part around the column of a long one.
///
/// - Parameters:
///   - line: without its end.
///   - column: in bytes, from 1, as the result's is.
package func shownLine(_ line: ArraySlice<UInt8>, around column: Int) -> (text: String, column: Int) {
    var (start, end) = (line.startIndex, line.endIndex)
    let place = min(start + column - 1, end)
    var (before, behind) = ("", "")
    if end - start > 2 * shownBytes {
        if place - start > shownBytes {
            start = place - shownBytes
            while start < place, line[start] & 0xC0 == 0x80 { start += 1 }
            before = "…"
        }
        if end - place > shownBytes {
            end = place + shownBytes
            while end > place, line[end] & 0xC0 == 0x80 { end -= 1 }
            behind = "…"
        }
    }
    return (before + String(decoding: line[start..<end], as: UTF8.self) + behind, before.count + place - start + 1)
}
