import Time
internal import Postgres
internal import Problems
internal import SQLite
internal import Trips

/// One view in one pass.
struct ViewPass {
    let view: PublishedView
    /// What the passes before have left; nil for nothing.
    let entry: PublishState.Entry?
    /// Whether its table is there.
    let isThere: Bool
    let state: PublishState
    let marks: PublishMarks
    let options: PublishOptions
    let database: String
    let number: Int64
    let talk: PublishTalk
    private(set) var replacedTexts = 0

    init(
        view: PublishedView, entry: PublishState.Entry?, isThere: Bool, state: PublishState, marks: PublishMarks,
        options: PublishOptions, database: String, number: Int64, talk: PublishTalk
    ) {
        (self.view, self.entry, self.isThere, self.state, self.marks) = (view, entry, isThere, state, marks)
        (self.options, self.database, self.number, self.talk) = (options, database, number, talk)
    }

    /// Brings the table up to date.
    ///
    /// - Returns: also whether anything was written, be it only what is noted.
    mutating func run(_ connection: Connection) throws -> (table: PublishSummary.Table, hasChanged: Bool) {
        var now = PublishState.Entry()
        (now.view, now.tenant, now.database, now.pass) = (view.name, options.tenant, database, number)
        (now.mark, now.epoch) = try marks.mark(of: view)
        now.definition = marks.definition(of: view)
        now.comments = comments
        if let entry, isThere, isUnchanged(entry, now) {
            return (PublishSummary.Table(name: view.name, rows: entry.rows, written: 0, deleted: 0), false)
        }
        let scan = try scan(connection)
        now.key = scan.key
        now.columns = zip(view.columns, scan.types).map { column, type in
            PublishState.Column(
                name: column.name, type: type.sql, found: scan.found[column.name].map(\.rawValue) ?? "")
        }
        let keysTable = if case .windows(_, let keys, _) = view.source { keys } else { String?.none }
        let table = TargetTable(state: state, view: view, columns: now.columns, key: now.key)
        try table.check()

        let hasLayout = isThere && entry?.columns == now.columns && entry?.key == now.key
        var before: [Int64: (digest: Int64, rows: Int64)] = [:]
        if hasLayout { before = try state.chunks(of: view.name) }
        // Whether the digests that are noted are of the same things as those of now.
        var comparable = hasLayout && entry?.definition == now.definition && !options.comparesAll
        if let entry, let keysTable, comparable {
            let keys = try marks.keys(keysTable, upTo: entry.lastKey)
            comparable = keys.digest == entry.keysDigest
        }
        let changed = scan.chunks.filter { !comparable || before[$0.number]?.digest != $0.digest }
        let gone = before.keys.filter { number in !scan.chunks.contains { $0.number == number } }.sorted()

        var writer = RowWriter(view: view.name, names: now.columns.map(\.name), types: scan.types)
        var counts: [Int64: Int64] = [:]
        var (written, deleted) = (0, 0)
        func send(_ chunks: [Chunk], to stream: CopyStream) throws {
            try rows(of: chunks, connection) { row, chunk in
                try writer.write(row, to: stream)
                counts[chunk, default: 0] += 1
                if stream.rows & 0x3FFF == 0 {
                    try state.connection.stopIfAsked()
                    talk.progress(view.name, Int64(stream.rows))
                }
            }
        }
        if !hasLayout {
            if !isThere { try table.create() } else if let entry { try table.alter(from: entry) }
            written = try table.load(isNew: !isThere) { try send(scan.chunks, to: $0) }
            try table.addKey()
            try table.analyze()
        } else if !changed.isEmpty || !gone.isEmpty {
            if table.key.isEmpty {
                deleted = try table.deleteAll()
                written = try table.load(isNew: false) { try send(scan.chunks, to: $0) }
            } else {
                let days = isWindowed ? Self.runs((changed.map(\.number) + gone).sorted()) : nil
                (written, deleted) = try table.merge(days: days) { try send(changed, to: $0) }
            }
        }
        replacedTexts = writer.replacedTexts
        if !isThere || !hasLayout || entry?.comments != now.comments { try table.comment() }

        let sent = !hasLayout || table.key.isEmpty && !changed.isEmpty ? scan.chunks : changed
        let noted = sent.map { (number: $0.number, digest: $0.digest, rows: counts[$0.number] ?? 0) }
        for number in gone { before[number] = nil }
        for chunk in noted { before[chunk.number] = (chunk.digest, chunk.rows) }
        now.rows = before.values.reduce(0) { $0 + $1.rows }
        now.lastKey = try marks.keys(keysTable, upTo: 0).last
        now.keysDigest = try marks.keys(keysTable, upTo: now.lastKey).digest
        if hasLayout, written + deleted == 0, let entry { now.pass = entry.pass }
        let hasChanged = now != entry || !noted.isEmpty || !gone.isEmpty
        if hasChanged {
            try state.write(now)
            try state.write(chunks: noted, gone: gone, all: !hasLayout, of: view.name)
        }
        return (PublishSummary.Table(name: view.name, rows: now.rows, written: written, deleted: deleted), hasChanged)
    }

    private var isWindowed: Bool { if case .windows = view.source { true } else { false } }

    private var comments: String {
        let texts = ([view.about] + view.columns.map { "\($0.name)\t\($0.about)" }).joined(separator: "\n")
        return String(Array(texts.utf8).withUnsafeBytes(contentHash), radix: 16)
    }

    /// By what is noted alone, for a query whose types are all declared.
    private func isUnchanged(_ entry: PublishState.Entry, _ now: PublishState.Entry) -> Bool {
        guard !options.comparesAll, !now.mark.isEmpty, view.columns.allSatisfy({ $0.type != nil }) else { return false }
        let columns = view.columns.map { PublishState.Column(name: $0.name, type: $0.type?.sql ?? "", found: "") }
        return entry.mark == now.mark && entry.definition == now.definition && entry.comments == now.comments
            && entry.columns == columns
    }

    private func scan(_ connection: Connection) throws -> ViewScan {
        var count = 0
        func step() throws {
            count += 1
            if count & 0xFFF == 0 { try state.connection.stopIfAsked() }
        }
        switch view.source {
        case .windows(let stored, _, _):
            return try ViewScan.windows(view, stored: stored, on: connection, step: step)
        case .rows(let select):
            let found = (entry?.columns ?? []).compactMap { column in
                ValueTypes(rawValue: column.found).map { (column.name, $0) }
            }
            return try ViewScan.rows(
                view, select: select, before: Dictionary(found) { first, _ in first }, on: connection, step: step)
        }
    }

    /// The view's rows of some chunks, with the number of the chunk that each is of.
    private func rows(of chunks: [Chunk], _ connection: Connection, _ body: (Statement, Int64) throws -> Void) throws {
        switch view.source {
        case .windows(_, _, let select):
            let statement = try connection.prepare(select)
            for days in Self.runs(chunks.map(\.number)) {
                statement.bind(0, Chunk.startMs(days.lowerBound))
                statement.bind(1, Chunk.startMs(days.upperBound))
                while try statement.step() {
                    try body(statement, floorDivide(statement.integer(0), Chunk.windowMs))
                }
                statement.reset()
            }
        case .rows(let select):
            guard !chunks.isEmpty else { return }
            let statement = try connection.prepare(select)
            while try statement.step() { try body(statement, 0) }
        }
    }

    /// Ascending numbers as runs without a gap.
    static func runs(_ numbers: [Int64]) -> [Range<Int64>] {
        var runs: [Range<Int64>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound == number {
                runs[runs.count - 1] = last.lowerBound..<number + 1
            } else {
                runs.append(number..<number + 1)
            }
        }
        return runs
    }
}
