import Trips

/// What storage keeps of a window: rows with a column for each word, or one with all groups.
extension QueryOutputBuilder {
    /// One row of a table that has a column for each word.
    func store(
        _ window: WindowPointer, _ entry: Int, _ histograms: WindowHistograms, _ rows: inout StoredRows,
        _ text: inout OutputBuffer
    ) {
        rows.ids.append(isWindowed ? window.pointee.start : window.pointee.groups[entry])
        rows.revisions.append(window.pointee.revision)
        let stride = state.windows.stride
        rows.words.append(contentsOf: UnsafeBufferPointer(start: window.pointee.words + entry * stride, count: stride))
        guard textCount > 0 else { return }
        var (histogram, sketch) = (0, 0)
        for kind in stateKinds where kind.isText {
            if kind == .histogram {
                append(histograms.buckets(entry, histogram), to: &text)
                histogram += 1
            } else {
                append(sketch: sketch, of: entry, window, to: &text)
                sketch += 1
            }
            rows.textEnds.append(text.count)
        }
    }

    /// One row that holds all groups of a window as a JSON object.
    func pack(
        _ window: WindowPointer, _ order: [Int32], _ histograms: WindowHistograms, _ rows: inout StoredRows,
        _ text: inout OutputBuffer
    ) {
        rows.ids.append(window.pointee.start)
        rows.revisions.append(window.pointee.revision)
        let stride = state.windows.stride
        let (groups, words) = (window.pointee.groups, window.pointee.words)
        text.append(UInt8(ascii: "{"))
        var isFirst = true
        for entry in order {
            if !isFirst { text.append(UInt8(ascii: ",")) }
            isFirst = false
            let (group, word) = (groups[Int(entry)], words[Int(entry) &* stride])
            if packsBareWords, word != nullCell {
                text.append(member: group, word)
                continue
            }
            text.append(UInt8(ascii: "\""))
            text.append(decimal: group)
            text.append("\":" as StaticString)
            if packsBareWords {
                append(word: word, to: &text)
            } else {
                appendStates(window, Int(entry), histograms, to: &text)
            }
        }
        text.append(UInt8(ascii: "}"))
        rows.textEnds.append(text.count)
    }

    private func appendStates(
        _ window: WindowPointer, _ entry: Int, _ histograms: WindowHistograms, to text: inout OutputBuffer
    ) {
        text.append(UInt8(ascii: "["))
        var word = window.pointee.words + entry * state.windows.stride
        var (histogram, sketch) = (0, 0)
        for (position, kind) in stateKinds.enumerated() {
            if position > 0 { text.append(UInt8(ascii: ",")) }
            switch kind {
            case .histogram:
                append(histograms.buckets(entry, histogram), to: &text)
                histogram += 1
            case .sketch:
                text.append(UInt8(ascii: "\""))
                append(sketch: sketch, of: entry, window, to: &text)
                text.append(UInt8(ascii: "\""))
                sketch += 1
            case .word, .nullableWord:
                append(word: word[0], to: &text)
                word += 1
            }
        }
        text.append(UInt8(ascii: "]"))
    }

    @inline(__always)
    private func append(word: Int64, to text: inout OutputBuffer) {
        if word == nullCell { text.append("null" as StaticString) } else { text.append(decimal: word) }
    }

    private func append(sketch: Int, of entry: Int, _ window: WindowPointer, to text: inout OutputBuffer) {
        window.pointee.sketches[entry * window.pointee.sketchStride + sketch].append(to: &text)
    }

    private func append(_ buckets: [WindowHistograms.Bucket], to text: inout OutputBuffer) {
        text.append(UInt8(ascii: "{"))
        for (index, item) in buckets.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.append(member: item.bucket, item.count)
        }
        text.append(UInt8(ascii: "}"))
    }
}
