public import Trips

/// A trip file that an engine reads for its workers, part by part.
public struct PartFile: Sendable {
    /// Who turns the file into what a worker is given.
    public enum Reading: String, Sendable, Codable {
        /// Its bytes as they are, packed or not, where the worker runs.
        case bytes
        /// Its lines, by the engine's own reader of text.
        case text
        /// Its rows, which the engine's own reader of tables makes lines of.
        case table
    }

    /// As the engine opens it: a path, or a URI.
    public var place: String
    /// For messages, rejects among them.
    public var name: String
    /// In bytes.
    public var size: Int64
    public var form: TripFilePartForm
    public var reading: Reading
    public var isPacked: Bool
    /// Of plain CSV: its header line, without which it is read as a whole.
    public var header: String?
    /// By which the engine sees, before it reads, that the file is the one that was looked at.
    public var stamp: String

    public init(
        place: String, name: String, size: Int64, form: TripFilePartForm, reading: Reading, isPacked: Bool,
        header: String?, stamp: String
    ) {
        (self.place, self.name, self.size, self.form, self.reading) = (place, name, size, form, reading)
        (self.isPacked, self.header, self.stamp) = (isPacked, header, stamp)
    }

    /// Whether it may be cut at the ends of lines.
    var isDivisible: Bool {
        !isPacked && reading != .table && (form == .jsonl || form == .csv && header != nil)
    }
}

/// Trip files that are read as one source, in their order.
public struct PartFiles: Sendable {
    /// Names them in checkpoints: the same as that of the same files where the stream reads them itself.
    public var identity: String
    /// Name, size and hash of each.
    public var known: [String]
    public var files: [PartFile]
    public var options: TripSourceOptions
    /// What the system says of files of this machine; nil where some are elsewhere.
    public var stamp: String?
    /// A file that may be cut is cut at the end of the line behind each so many bytes.
    public var unitBytes: Int64 = 64 << 20

    public init(identity: String, known: [String], files: [PartFile], options: TripSourceOptions, stamp: String?) {
        (self.identity, self.known, self.files, self.options, self.stamp) = (identity, known, files, options, stamp)
    }
}

/// What an engine gives a worker to read behind its request.
package struct PartSource: Codable, Sendable, Equatable {
    package var place: String
    package var reading: PartFile.Reading
    package var size: Int64
    package var stamp: String
    /// The file is cut at the first end of a line behind each multiple of it; 0 where it is not.
    package var unitBytes: Int64
    /// Which of the units; a line is of the unit behind whose start it begins, or where the file begins.
    package var unit: Int
    /// Of a file that is not cut, and whose bytes are given as they are: the first of them.
    package var from: Int64 = 0
}

/// One range that an engine is asked for.
package struct RangeTask: Sendable {
    /// A range's frame.
    package var range: [UInt8]
    /// Part of a file that the worker is to be given behind it; nil where it reads a topic itself.
    package var source: PartSource?
}
