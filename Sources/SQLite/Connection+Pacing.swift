internal import CSQLite
internal import Synchronization

// A statement may compute for minutes. Where others want the processors too, somebody is asked again and again whether it may go on.

extension Connection {
    private static let pacer = Mutex<(@Sendable () -> Void)?>(nil)
    /// Steps of SQLite's machine between two questions: about a millisecond.
    private static let stepsBetween: Int32 = 20_000

    /// What each statement of a connection that is opened from here on calls about once a millisecond, on its thread. It may wait there. It is not
    /// called within a transaction that writes: whoever wants to write as well would wait with it.
    ///
    /// - Parameter body: nil for nothing any more.
    public static func pace(_ body: (@Sendable () -> Void)?) { pacer.withLock { $0 = body } }

    func startPacing() {
        guard Self.pacer.withLock({ $0 != nil }) else { return }
        sqlite3_progress_handler(
            raw, Self.stepsBetween,
            { handle in
                guard let pacer = Connection.pacer.withLock({ $0 }), let handle,
                    sqlite3_txn_state(OpaquePointer(handle), nil) != SQLITE_TXN_WRITE
                else { return 0 }
                pacer()
                return 0
            }, UnsafeMutableRawPointer(raw))
    }
}
