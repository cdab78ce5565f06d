public import SQLite

/// Whether results.db still has its name while a process works with it; used by one thread at a time.
///
/// Once it was missed it stays so: who ends because of it must not find, when it says why, that the file was put back meanwhile.
public final class ResultsPresence {
    private let connection: Connection
    private var missed: SQLiteError?

    public init(_ database: ResultsDatabase) { connection = database.connection }

    /// - Throws: `.gone`.
    public func require() throws(SQLiteError) {
        if let missed { throw missed }
        do throws(SQLiteError) { try connection.requireFile() } catch {
            missed = error
            throw error
        }
    }
}
