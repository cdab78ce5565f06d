import Problems
import Time
import Trips

/// How far files are read whose parts an engine computes: in the order of the files, and in each from its start to its end.
///
/// Parts are asked for before it is known where the ones before them end, since most files have one row a line. What is found at a part's end
/// says whether the next one began where it should have: else that one, and those behind it, are asked again from there.
package struct PartProgress: Codable, Sendable, Equatable {
    /// Which of the files.
    var file = 0
    /// Which of its units; nil where the rest of the file is read in one piece, since a row went over the end of a unit.
    var unit: Int? = 0
    /// Bytes of the file, as they are unpacked, in front of the unit or of the rest; of Avro records.
    var offset: Int64 = 0
    /// Of the unit, what was read.
    var within: Int64 = 0
    /// Number of the line, or of Avro record, that comes next.
    var line: Int64 = 1
    /// The header line that it stands under; nil where none was read.
    var header: String?
    /// By which the files are cut.
    var unitBytes: Int64
    /// Newest event time so far; the watermark waits for the end of the files.
    var newest: EventTime?

    init(unitBytes: Int64) { self.unitBytes = unitBytes }

    func units(of file: PartFile, _ options: TripSourceOptions) -> Int {
        // Where each row falls in its quarter of an hour depends on its line, which only who has read all before it knows.
        guard file.isDivisible, options.spread != .uniform, file.size > unitBytes else { return 1 }
        return Int((file.size + unitBytes - 1) / unitBytes)
    }

    /// What is to be read next, and what would come behind it if it ended where its bytes do.
    func next(in files: PartFiles, isKnown: Bool) -> (part: TripFilePart, source: PartSource, behind: PartProgress) {
        let file = files.files[file]
        let units = units(of: file, files.options)
        var part = TripFilePart(form: file.form, file: file.name)
        part.line = isKnown ? line : 1
        var source = PartSource(
            place: file.place, reading: file.reading, size: file.size, stamp: file.stamp,
            unitBytes: unit == nil || units == 1 ? 0 : unitBytes, unit: unit ?? 0)
        if let unit {
            part.skip = within
            part.isFirst = unit == 0
            part.isLast = unit == units - 1
        } else if file.reading == .bytes, !file.isPacked {
            source.from = offset
            part.isFirst = offset == 0
        } else {
            part.skip = offset
        }
        if unit ?? 1 > 0 || within > 0 { part.header = header }
        var behind = self
        if let unit, unit + 1 < units {
            (behind.unit, behind.within) = (unit + 1, 0)
            behind.header = header ?? file.header
        } else {
            behind.beginFile(self.file + 1)
        }
        return (part, source, behind)
    }

    private mutating func beginFile(_ number: Int) {
        (file, unit, offset, within, line, header) = (number, 0, 0, 0, 1, nil)
    }

    /// Whether what was asked for behind others is what comes next indeed.
    func isAt(_ asked: PartProgress) -> Bool {
        (file, unit, within) == (asked.file, asked.unit, asked.within) && (unit == 0 || header == asked.header)
    }

    /// Takes over what was read of a part that began here.
    ///
    /// - Parameters:
    ///   - count: bytes or records behind what was passed over.
    ///   - first: the line that the part was told it begins with.
    /// - Returns: how many lines are to be added to what the part calls a line.
    mutating func take(_ count: Int64, _ end: RangePartial.PartEnd, first: Int64, _ files: PartFiles) -> Int64 {
        let before = line - first
        line = end.line + before
        header = end.header
        let units = units(of: files.files[file], files.options)
        switch (end.isAtEnd, end.isCut, unit) {
        case (true, _, let unit?) where unit + 1 < units:
            offset += within + count
            (self.unit, within) = (unit + 1, 0)
        case (true, _, _): beginFile(file + 1)
        case (false, true, _):
            offset += within + count
            (unit, within) = (nil, 0)
        case (false, false, nil): offset += count
        case (false, false, _?): within += count
        }
        return before
    }

    /// Whether some number is none that a stream has written.
    func isWrong(for files: PartFiles) -> Bool {
        let numbers = [offset, within, line - 1].allSatisfy { 0...(1 << 62) ~= $0 }
        guard numbers, 1...(1 << 62) ~= unitBytes, 0...files.files.count ~= file else { return true }
        guard file < files.files.count, let unit else { return false }
        return !(0..<units(of: files.files[file], files.options) ~= unit)
    }
}
