import Time
internal import SQLite
internal import Trips

/// A piece of a view by which it is compared: a day of windows (UTC), or all rows as number 0.
struct Chunk: Sendable, Equatable {
    var number: Int64
    /// Of what the rows are made of.
    var digest: Int64

    static let windowMs: Int64 = 86_400_000
    /// Where the chunk of that number begins; the numbers come from stored times, whatever these are.
    static func startMs(_ number: Int64) -> Int64 { Int64(clamping: Int128(number) * Int128(windowMs)) }
}

/// What a view consists of at this moment.
struct ViewScan {
    var chunks: [Chunk]
    /// Types of all columns: those that were declared, or that the values have.
    var types: [PublishedType]
    /// What the values of columns without a declared type are; by name.
    var found: [String: ValueTypes]
    /// Empty where nothing tells rows apart.
    var key: [String]

    /// Digests of the stored windows, which are what the view's rows are made of: nothing of them need be unpacked.
    ///
    /// - Parameter step: called with each row.
    static func windows(
        _ view: PublishedView, stored: String, on connection: Connection, step: () throws -> Void
    ) throws -> ViewScan {
        let statement = try connection.prepare("SELECT * FROM \"\(stored)\" ORDER BY window_start_ms")
        var digest = ChunkDigest(columns: statement.columnCount)
        var chunks: [Chunk] = []
        var number: Int64?
        while try statement.step() {
            let next = floorDivide(statement.integer(0), Chunk.windowMs)
            if let present = number, present != next {
                chunks.append(Chunk(number: present, digest: digest.finish()))
            }
            number = next
            digest.add(statement)
            try step()
        }
        if let number { chunks.append(Chunk(number: number, digest: digest.finish())) }
        return ViewScan(chunks: chunks, types: view.columns.map { $0.type ?? .text }, found: [:], key: view.key)
    }

    /// The digest of all rows, whose values tell types, and whether the key is one.
    ///
    /// - Parameter before: what the values of columns without a type have been up to now: a type only widens, so that it does not change to
    ///   and fro.
    static func rows(
        _ view: PublishedView, select: String, before: [String: ValueTypes], on connection: Connection,
        step: () throws -> Void
    ) throws -> ViewScan {
        let statement = try connection.prepare(select)
        var digest = ChunkDigest(columns: statement.columnCount)
        var found = view.columns.map { before[$0.name] ?? .none }
        let open = view.columns.indices.filter { view.columns[$0].type == nil }
        let places = view.key.compactMap { name in view.columns.firstIndex { $0.name == name } }
        var isKey = !places.isEmpty && places.count == view.key.count
        var keys = Set<UInt64>()
        var keyDigest = ChunkDigest(columns: places.count)
        while try statement.step() {
            digest.add(statement)
            try step()
            for column in open { found[column] = found[column].joined(ValueTypes(statement, column)) }
            guard isKey else { continue }
            if places.contains(where: statement.isNull) { isKey = false }
            keyDigest.add(statement, places)
            // Two different keys with one hash cost a primary key, and nothing else.
            if !keys.insert(UInt64(bitPattern: keyDigest.finish())).inserted { isKey = false }
        }
        return ViewScan(
            chunks: [Chunk(number: 0, digest: digest.finish())],
            types: zip(view.columns, found).map { $0.type ?? $1.type },
            found: Dictionary(uniqueKeysWithValues: open.map { (view.columns[$0].name, found[$0]) }),
            key: isKey ? view.key : [])
    }
}

/// The hash of some rows, value by value with its kind and length, in their order.
struct ChunkDigest {
    private let columns: Range<Int>
    private var bytes: [UInt8] = []
    private var hash: UInt64 = 0
    private static let pieceBytes = 1 << 20

    init(columns: Int) { self.columns = 0..<columns }

    mutating func add(_ row: Statement) { add(row, columns) }

    mutating func add(_ row: Statement, _ columns: some Sequence<Int>) {
        for column in columns {
            let kind = row.kind(column)
            bytes.append(kind.rawValue)
            switch kind {
            case .null: break
            case .integer: add(UInt64(bitPattern: row.integer(column)))
            case .real: add(row.real(column).bitPattern)
            case .text, .blob:
                row.withBytes(column) { text in
                    add(UInt64(text.count))
                    bytes.append(contentsOf: text)
                }
            }
        }
        if bytes.count >= Self.pieceBytes { fold() }
    }

    private mutating func add(_ number: UInt64) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func fold() {
        add(hash)
        hash = bytes.withUnsafeBytes(contentHash)
        bytes.removeAll(keepingCapacity: true)
    }

    /// The digest; the next row begins a new one.
    mutating func finish() -> Int64 {
        fold()
        defer { hash = 0 }
        return Int64(bitPattern: hash)
    }
}
