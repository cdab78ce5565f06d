internal import CSQLite

/// A function of SQL that makes one value of a column's: `distinct_count(x)`. One object for each group.
public protocol SQLAggregate: AnyObject {
    init()
    /// Takes the value of a row, as text; nil for NULL.
    ///
    /// - Returns: what is wrong with it, in words; nil where nothing is.
    func step(_ text: UnsafeRawBufferPointer?) -> String?
    /// Of no row at all too.
    func result() -> SQLValue
}

extension Connection {
    /// Makes an aggregate of one argument known to this connection's SQL.
    ///
    /// What it says is wrong with a value ends the statement with an error of code `.corrupt`: functions are for what the program itself
    /// has stored.
    public func add(_ function: any SQLAggregate.Type, named name: String) throws(SQLiteError) {
        let factory = Unmanaged.passRetained(Factory(function))
        let code = sqlite3_create_function_v2(
            raw, name, 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, factory.toOpaque(), nil,
            { context, _, values in
                guard let group = Group.of(context), let value = values?[0] else { return }
                let isNull = sqlite3_value_type(value) == SQLITE_NULL
                let bytes = isNull ? nil : sqlite3_value_text(value)
                let text = UnsafeRawBufferPointer(
                    start: bytes, count: bytes == nil ? 0 : Int(sqlite3_value_bytes(value)))
                guard let wrong = group.step(isNull ? nil : text) else { return }
                sqlite3_result_error(context, wrong, -1)
                sqlite3_result_error_code(context, SQLITE_CORRUPT)
            },
            { context in
                guard let place = Group.place(context, isNeeded: true), let group = Group.of(context) else { return }
                switch group.result() {
                case .null: sqlite3_result_null(context)
                case .integer(let value): sqlite3_result_int64(context, value)
                case .real(let value): sqlite3_result_double(context, value)
                case .text(let text): sqlite3_result_text(context, text, -1, Statement.transient)
                case .blob(let bytes): sqlite3_result_blob(context, bytes, Int32(bytes.count), Statement.transient)
                }
                place.pointee?.release()
                place.pointee = nil
            },
            { $0.map { Unmanaged<Factory>.fromOpaque($0).release() } })
        guard code == SQLITE_OK else { throw error(sql: nil) }
    }
}

/// What makes the groups of a function; SQLite keeps it as long as the function.
private final class Factory {
    let function: any SQLAggregate.Type
    init(_ function: any SQLAggregate.Type) { self.function = function }
}

/// The aggregate of the group at hand, in the memory that SQLite keeps for it.
private final class Group {
    private let aggregate: any SQLAggregate
    init(_ aggregate: any SQLAggregate) { self.aggregate = aggregate }

    func step(_ text: UnsafeRawBufferPointer?) -> String? { aggregate.step(text) }
    func result() -> SQLValue { aggregate.result() }

    /// Where SQLite keeps it: zeros at first. nil where there is no memory.
    static func place(_ context: OpaquePointer?, isNeeded: Bool) -> UnsafeMutablePointer<Unmanaged<Group>?>? {
        sqlite3_aggregate_context(context, isNeeded ? Int32(MemoryLayout<Unmanaged<Group>?>.size) : 0)?
            .assumingMemoryBound(to: Unmanaged<Group>?.self)
    }

    static func of(_ context: OpaquePointer?) -> Group? {
        guard let place = place(context, isNeeded: true), let data = sqlite3_user_data(context) else { return nil }
        if let known = place.pointee { return known.takeUnretainedValue() }
        let group = Group(Unmanaged<Factory>.fromOpaque(data).takeUnretainedValue().function.init())
        place.pointee = .passRetained(group)
        return group
    }
}
