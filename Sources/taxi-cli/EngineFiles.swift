import CommandLine
import Compression
import Database
import Glibc
import Problems
import Replay
import Stream
import Trips

/// Trip files of `stream --input` that an engine reads: which there are, what they are known by, and which are new.
struct EngineFiles {
    private let arguments: ParsedArguments
    private let plans: [QueryPlan]
    private let read: TripSourceOptions
    private let engine: SparkEngine
    /// About as many as a row of the City's files has.
    private static let bytesOfRow: Int64 = 400

    /// - Throws: `.usage` for what needs all trips in one order.
    init(_ arguments: ParsedArguments, _ plans: [QueryPlan], _ read: TripSourceOptions, _ engine: SparkEngine) throws {
        (self.arguments, self.plans, self.read, self.engine) = (arguments, plans, read, engine)
        if read.limit != nil {
            throw arguments.problem(
                "limit",
                "Spark reads files part by part, in no order of time, so that nobody knows which trips are the first",
                hint: "Say --to TIME, or --engine local.")
        }
        if read.aliases != nil {
            throw arguments.problem(
                "aliases", "Spark's tasks load companies as they are spelled",
                hint: "Write the names into the files, or say --engine local.")
        }
    }

    /// The sources that are to be read, one after the other: what an earlier run has begun, then all files that are new.
    func sources(_ inputs: [String], _ session: RunSession) throws -> [StreamRunner.Source] {
        let places = try Places(inputs)
        let watch = InputWatch(paths: places.paths)
        var files: [(file: PartFile, known: String)] = []
        for path in places.paths { files.append(try local(path)) }
        if !places.addresses.isEmpty {
            // Of Parquet here the identity is that of the bytes, as everywhere.
            guard let listed = try engine.list(places.addresses, shouldStop: { Interruption.isRequested }) else {
                return []
            }
            for file in listed { files.append(try remote(file)) }
        }
        let known = files.map(\.known)
        func identity(_ members: [Int]) -> String {
            TripFileOptions.identity(ofKnown: members.map { known[$0] }, read)
        }
        var sets = FileSets()
        if arguments.isOn("again") || arguments.isOn("from-beginning") {
            sets.sets = [Array(files.indices)]
        } else {
            sets = try FileSets(
                known: known, queries: plans.map(\.name), identity: identity, on: session.database.connection)
        }
        if !sets.passedOver.isEmpty, !sets.sets.isEmpty {
            let count = sets.passedOver.count
            try arguments.say(
                "note: \(count) \(count == 1 ? "file was" : "files were") read by an earlier run, and \(count == 1 ? "is" : "are") passed over"
            )
        }
        return sets.sets.map { members in
            let isHere = members.allSatisfy { files[$0].file.reading == .bytes }
            let stamp = isHere ? members.map { InputWatch.stamp(of: files[$0].file.place) }.joined(separator: " ") : nil
            var parts = PartFiles(
                identity: identity(members), known: members.map { known[$0] }, files: members.map { files[$0].file },
                options: read, stamp: stamp)
            if arguments.origin("epoch-records") != .defaultValue, let records = arguments.integer("epoch-records") {
                parts.unitBytes = max(1 << 16, min(records, 1 << 30) * Self.bytesOfRow)
            }
            return .parts(parts, watch: watch)
        }
    }

    private func local(_ path: String) throws -> (PartFile, String) {
        let identity = try InputIdentity(path: path)
        guard InputIdentity.canBeReadAgain(path), identity.isKnown else {
            throw Problem(
                .usage, "\"\(visible(path))\" is no file: Spark's tasks may have to read it twice",
                hint: "Write the trips to a file first, or say --engine local.")
        }
        var status = stat()
        guard path.withFileName({ stat($0, &status) }) == 0 else { throw Problem(.read, path, errno) }
        let modifiedNs = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
        let isPacked = CompressionFormat(path: path) != .plain
        let form = TripFilePartForm(name: path)
        var first: [UInt8] = []
        if form == .csv, !isPacked {
            let descriptor = path.withFileName { open($0, O_RDONLY | O_CLOEXEC) }
            guard descriptor >= 0 else { throw Problem(.read, path, errno) }
            defer { close(descriptor) }
            first = [UInt8](unsafeUninitializedCapacity: CSVHeader.sampleSize) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
        }
        let isReallyPacked = isPacked || CompressionFormat(firstBytes: first) != .plain
        let file = PartFile(
            place: Self.absolute(path), name: path, size: Int64(status.st_size), form: form, reading: .bytes,
            isPacked: isReallyPacked,
            header: try header(form, isReallyPacked ? nil : first, path), stamp: "\(status.st_size).\(modifiedNs)")
        return (file, identity.description)
    }

    fileprivate static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(fileName: folder) + "/" + path
    }

    private func remote(_ listed: SparkEngine.ListedFile) throws -> (PartFile, String) {
        let isTable = listed.name.lowercased().hasSuffix(".parquet")
        let form = isTable ? .csv : TripFilePartForm(name: listed.name)
        let isPacked = CompressionFormat(firstBytes: listed.first) != .plain
        guard form != .avro else {
            throw Problem(
                .usage, "\"\(listed.place)\" is a file of Avro, which Spark's readers of text give to nobody",
                hint:
                    "Name it by its path where all machines share it, or convert it: taxi-cli data convert FILE.avro FILE.csv.gz."
            )
        }
        if isPacked, CompressionFormat(path: listed.name) == .plain {
            throw Problem(
                .usage, "\"\(listed.place)\" is packed, and Spark's readers see that by the name alone",
                hint: "Give it a name that ends in .gz or .zst.")
        }
        // Names beginning so are hidden from Spark's readers, which say nothing of it.
        if listed.name.hasPrefix("_") || listed.name.hasPrefix(".") {
            throw Problem(
                .usage, "\"\(listed.place)\" has a name that Spark's readers pass over",
                hint: "Rename it, without the \"_\" or \".\" in front.")
        }
        let file = PartFile(
            place: listed.place, name: listed.place, size: listed.size, form: form, reading: isTable ? .table : .text,
            isPacked: isPacked, header: try header(form, isTable || isPacked ? nil : listed.first, listed.place),
            stamp: listed.stamp)
        return (
            file,
            InputIdentity(name: listed.name, size: listed.size, first: listed.first, last: listed.last).description
        )
    }

    /// The header line of plain CSV, under which parts of the file stand; nil where the file is read as a whole.
    private func header(_ form: TripFilePartForm, _ first: [UInt8]?, _ file: String) throws -> String? {
        guard form == .csv, let first else { return nil }
        let header = try CSVHeader(firstBytes: first, file: file, for: read)
        if let idle = TripFileOptions.idleQueries(plans, header) { try arguments.say(idle) }
        return header.newline == 0x0a ? header.text : nil
    }
}

/// What people name as inputs: files of this machine, and addresses that only the engine opens.
private struct Places {
    var paths: [String] = []
    var addresses: [String] = []

    init(_ inputs: [String]) throws {
        for input in inputs {
            if input == "-" {
                throw Problem(
                    .usage, "stdin is no file that Spark's tasks could read",
                    hint: "Write the trips to a file first, or say --engine local.")
            }
            if Self.hasScheme(input) {
                addresses.append(input)
                continue
            }
            for path in Self.files(input) {
                // Rows of tables are Spark's to read, wherever the file is.
                if path.lowercased().hasSuffix(".parquet") {
                    addresses.append("file://" + Self.quoted(EngineFiles.absolute(path)))
                } else {
                    paths.append(path)
                }
            }
        }
    }

    private static func hasScheme(_ input: String) -> Bool {
        guard let end = input.firstRange(of: ":/")?.lowerBound, end > input.startIndex else { return false }
        return input[..<end].allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }

    /// A pattern that the shell was not to see; what no file matches stays as it is, and is said to be missing.
    private static func files(_ input: String) -> [String] {
        guard input.contains(where: { "*?[".contains($0) }), input.withFileName({ access($0, F_OK) }) != 0 else {
            return [input]
        }
        var found = glob_t()
        defer { globfree(&found) }
        guard input.withFileName({ glob($0, 0, nil, &found) }) == 0, let names = found.gl_pathv else { return [input] }
        return (0..<Int(found.gl_pathc)).compactMap { names[$0].map { String(fileName: $0) } }
    }

    /// Hadoop's patterns take these letters for more than letters.
    private static func quoted(_ path: String) -> String {
        path.map { "*?[]{}\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }
}
