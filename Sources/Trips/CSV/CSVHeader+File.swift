public import Problems

extension CSVHeader {
    /// What the first line of the file at `path` says; packed files are unpacked as far as needed.
    ///
    /// Reads from the file, so not for standard input, whose first line a later reader would miss.
    ///
    /// - Throws: `Problem`: as `init(sample:file:)`, and `.noInput`, `.noPermission`, `.inputOutput`.
    public init(path: String) throws(Problem) {
        let piece = StreamPiece(capacity: Self.sampleSize)
        switch try InputBytes(path: path) {
        case .file(let file):
            let mapped = try MappedFiles([file])
            self = try CSVHeader(sample: mapped.sample(of: 0), file: InputBytes.name(of: path))
        case .stream(let reader):
            _ = try piece.fill(from: reader)
            self = try CSVHeader(
                sample: UnsafeBufferPointer(start: piece.start, count: piece.count), file: InputBytes.name(of: path))
        }
    }
}
