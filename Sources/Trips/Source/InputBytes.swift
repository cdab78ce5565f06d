internal import CMappedFault
import Compression
import Glibc
import Problems

/// One input: a file that can be mapped into memory, or a stream that is read piece by piece.
///
/// `-` is standard input. Packed files (gzip, zstd) and pipes are streams. Whoever must jump about in a stream spools it first.
enum InputBytes {
    case file(RegularFile)
    case stream(DecompressingReader)

    /// What messages call the input at `path`.
    static func name(of path: String) -> String { path == "-" ? "stdin" : path }

    /// - Parameter isStopped: see `TripSourceOptions.isStopped`.
    init(path: String, isStopped: (() -> Bool)? = nil) throws(Problem) {
        if path == "-" {
            self = .stream(
                try DecompressingReader(descriptor: 0, name: Self.name(of: path), isStopped: isStopped))
            return
        }
        let reader = try DecompressingReader(path: path, isStopped: isStopped)
        // A pipe is opened once: the second time would wait for another writer, or find what comes first gone.
        if case .plain = reader.format, RegularFile.isRegular(path), let file = try RegularFile(path: path) {
            self = .file(file)
        } else {
            self = .stream(reader)
        }
    }

    /// The same bytes as a file: a stream is written to one without a name, in the temporary folder.
    ///
    /// - Parameter look: at the first bytes, before there is more of what nobody can use.
    func spooled(
        _ look: (UnsafeBufferPointer<UInt8>) throws(Problem) -> Void
    ) throws(Problem) -> RegularFile {
        switch self {
        case .file(let file): file
        case .stream(let reader): try RegularFile(spooling: reader, look)
        }
    }
}

/// An open regular file and its size.
final class RegularFile {
    fileprivate let descriptor: Int32
    fileprivate let name: String
    let size: Int

    static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Nil for what is no regular file.
    init?(path: String) throws(Problem) {
        name = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Problem(.read, path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        size = Int(status.st_size)
    }

    /// Of a line that no row can have, which a packed file holds in a few bytes, only the first ones are written.
    init(
        spooling reader: DecompressingReader, _ look: (UnsafeBufferPointer<UInt8>) throws(Problem) -> Void
    ) throws(Problem) {
        name = reader.name
        descriptor = try Self.temporary(for: "the unpacked \"\(reader.name)\"")
        let folder = Self.temporaryFolder
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var size = 0
        var line = SpooledLine()
        do throws(Problem) {
            var isFirst = true
            while true {
                var count = try reader.read(into: buffer)
                if isFirst {
                    // A pipe gives a few bytes at a time.
                    var isAtEnd = count == 0
                    while !isAtEnd, count < CSVHeader.sampleSize {
                        let more = try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                        isAtEnd = more == 0
                        count += more
                    }
                    let bytes = UnsafeBufferPointer(buffer.bindMemory(to: UInt8.self))
                    try look(UnsafeBufferPointer(rebasing: bytes[..<min(count, CSVHeader.sampleSize)]))
                    isFirst = false
                }
                if count == 0 { break }
                for part in line.kept(of: UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
                    var written = 0
                    while written < part.count {
                        let result = write(descriptor, part.baseAddress! + written, part.count - written)
                        guard result >= 0 else {
                            throw Self.failure(
                                "cannot unpack \"\(reader.name)\" into \"\(folder)\" (TMPDIR may name a folder with more room)"
                            )
                        }
                        written += result
                    }
                    size += part.count
                }
            }
        } catch {
            close(descriptor)
            throw error
        }
        self.size = size
    }

    private static var temporaryFolder: String { getenv("TMPDIR").map { String(fileName: $0) } ?? "/tmp" }

    /// A new file without a name, which goes away with its descriptor.
    static func temporary(for purpose: String) throws(Problem) -> Int32 {
        var template = "\(temporaryFolder)/taxi-cli-XXXXXX".withFileName { name in
            Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        }
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw failure("cannot create a temporary file in \"\(temporaryFolder)\" for \(purpose)")
        }
        unlink(template)
        return descriptor
    }

    deinit { close(descriptor) }

    fileprivate static func failure(_ what: String) -> Problem {
        let number = errno
        return Problem(Problem.Code(number, doing: .write), "\(what): \(Problem.text(number))")
    }
}

/// Where a stream stands in the line that goes over the ends of its pieces.
///
/// A line ends at a line feed or a carriage return, whichever the file takes for its rows, so that no row is cut that might be read.
struct SpooledLine {
    /// Enough to be seen as too long.
    static let most = CSVRows.maximumRowSize + 2
    private var length = 0

    /// What is worth keeping of the next piece: all of it, but for a line that is longer than `most`.
    mutating func kept(of piece: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        guard let first = piece.firstIndex(where: Self.isEnd), let last = piece.lastIndex(where: Self.isEnd) else {
            let room = max(0, Self.most - length)
            length += piece.count
            return [UnsafeRawBufferPointer(rebasing: piece.prefix(room))]
        }
        let room = max(0, Self.most - length)
        length = piece.count - last - 1
        // Lines within a piece are no longer than it is.
        if first <= room { return [piece] }
        return [piece.prefix(room), piece[first...]].map { UnsafeRawBufferPointer(rebasing: $0) }
    }

    private static func isEnd(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }
}

/// Files mapped into memory one behind the other, so that an offset from one base names any byte of any of them.
final class MappedFiles {
    let base: UnsafePointer<UInt8>
    /// Where each file lies, counted from `base`; starts are multiples of the page size.
    let ranges: [Range<Int>]
    private let size: Int
    /// Under which a file that loses bytes is told of.
    private let guards: [Int32]

    init(_ files: [RegularFile]) throws(Problem) {
        let page = Int(getpagesize())
        var ranges: [Range<Int>] = []
        var end = 0
        for file in files {
            ranges.append(end..<end + file.size)
            end = (end + file.size + page - 1) / page * page
        }
        // A range without access is reserved first, and each file laid over its part of it.
        size = max(end, page)
        guard let start = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            start != MAP_FAILED
        else { throw RegularFile.failure("cannot reserve \(size) bytes of addresses") }
        for (file, range) in zip(files, ranges) where file.size > 0 {
            guard
                mmap(start + range.lowerBound, file.size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.descriptor, 0)
                    != MAP_FAILED
            else {
                munmap(start, size)
                throw RegularFile.failure("cannot map \(file.size) bytes of a file into memory")
            }
        }
        base = UnsafePointer(start.assumingMemoryBound(to: UInt8.self))
        self.ranges = ranges
        guards = zip(files, ranges).map { file, range in
            taxi_mapping_begin(start + range.lowerBound, range.count, file.name)
        }
    }

    deinit {
        for mapping in guards { taxi_mapping_end(mapping) }
        munmap(UnsafeMutableRawPointer(mutating: base), size)
    }

    /// The headers of all files, which say what the options need.
    ///
    /// - Throws: what `CSVHeader.init` and `TripSourceOptions.check` throw.
    func headers(
        of paths: [String], _ options: TripSourceOptions, _ warnings: ColumnWarnings
    ) throws(Problem) -> [CSVHeader] {
        var headers: [CSVHeader] = []
        for (index, path) in paths.enumerated() {
            let header = try CSVHeader(sample: sample(of: index), file: InputBytes.name(of: path))
            try options.check(header)
            warnings.look(at: header)
            headers.append(header)
        }
        return headers
    }

    /// The first bytes of a file, for its header.
    private func sample(of file: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: base + ranges[file].lowerBound, count: min(ranges[file].count, CSVHeader.sampleSize))
    }
}

/// A piece of a stream, filled by reads; kept alive by the batches whose text points into it.
final class StreamPiece {
    let bytes: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(capacity: Int) { bytes = .allocate(byteCount: capacity, alignment: 64) }
    deinit { bytes.deallocate() }

    var start: UnsafePointer<UInt8> { UnsafePointer(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)) }

    func append(_ other: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: bytes[count...]).copyMemory(from: other)
        count += other.count
    }

    /// Reads until the piece is full or the stream ends; returns whether it has ended.
    func fill(from reader: DecompressingReader) throws(Problem) -> Bool {
        while count < bytes.count {
            let read = try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[count...]))
            if read == 0 { return true }
            count += read
        }
        return false
    }
}
