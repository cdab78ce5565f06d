internal import Glibc
public import Problems

extension Problem {
    /// What a refusal of SQLite means to a person.
    ///
    /// - Parameter action: what was going on, as in `appending to topic "trips"`.
    public init(_ error: SQLiteError, doing action: String) {
        let file = "\"\(error.path)\""
        switch error.code {
        // Where a log or its index has no room, SQLite only says that the system refused.
        case .full,
            _ where error.system == ENOSPC || error.system == EDQUOT:
            self.init(
                .inputOutput, "the disk is full while \(action); nothing that was committed is lost",
                hint: "Make room where \(file) lies, then run the command again.")
        case .corrupt: self.init(damage: error, doing: action)
        case .cannotOpen:
            self.init(
                error.code(or: .cannotCreate),
                "cannot open or create database \(file) while \(action): \(error.message)\(error.cause)",
                hint: Self.hint(error.system)
                    ?? "Check that its folder exists and may be written, or choose another with --home.")
        case .readOnly:
            self.init(
                error.code(or: .noPermission), "database \(file) may only be read, which stops \(action)\(error.cause)",
                hint: "Give yourself the right to write to it and to its folder, or choose another with --home.")
        case .busy:
            self.init(
                .tryAgain, "could not finish \(action): another process holds database \(file)",
                hint: "Try again when the other process has finished, or stop it.")
        case .inputOutput:
            self.init(
                error.code(or: .inputOutput),
                "the system failed to read or write \(file) while \(action): \(error.message)\(error.cause)",
                hint: Self.hint(error.system)
                    ?? "See the system's log for the disk; nothing that was committed is lost.")
        case .gone:
            self.init(
                .inputOutput,
                "database \(file) was removed, or replaced by another one, while this process used it (\(action))",
                hint:
                    "What this process has stored in it is gone with it. If a copy was put back, run the command again."
            )
        case .statement where error.message == "integer overflow":
            self.init(
                .badData, "a sum of stored numbers leaves 64 bits, found while \(action)",
                hint: "Run taxi-cli audit to see which results do not match their source.")
        case .constraint, .statement:
            // What taxi-cli asks fits the tables that it made: where it does not, the file is not what was written.
            if error.contradictsTables {
                self.init(damage: error, doing: action)
            } else {
                self.init(.software, "\(action) failed: \(error)")
            }
        }
    }

    private init(damage error: SQLiteError, doing action: String) {
        let check = IntegrityCheck.firstFinding(in: error.path).map { "; PRAGMA integrity_check says: \($0)" } ?? ""
        self.init(
            .badData, "database \"\(error.path)\" is damaged, found while \(action): \(error.message)\(check)",
            hint: "Move it away together with its -wal and -shm files, and fill a new one from the source.")
    }
}

/// Runs `body`; what SQLite refuses comes out as a `Problem` that says what was going on.
public func explaining<Result>(_ action: @autoclosure () -> String, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as SQLiteError {
        throw Problem(error, doing: action())
    }
}

extension SQLiteError {
    /// The exit code of what the system said, where SQLite only passed that on.
    fileprivate func code(or other: Problem.Code) -> Problem.Code {
        switch system {
        // Where a name is the trouble, what was going on says more.
        case 0, EISDIR, ENOTDIR, ENOENT: other
        default: Problem.Code(system, doing: .write)
        }
    }

    fileprivate var cause: String { system == 0 ? "" : ": \(Problem.text(system))" }
}
