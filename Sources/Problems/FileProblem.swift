internal import Glibc

extension Problem {
    /// What was asked of a file or folder.
    public enum FileAction: String, Sendable {
        /// To open or read what has to be there.
        case read
        /// To make it, or to open it for writing.
        case create
        /// To write into what is open, or to make sure that it is on the disk.
        case write
        case list, remove, rename, lock
    }

    /// What the system refused. The exit code follows the cause, whichever command and file it was.
    ///
    /// - Parameters:
    ///   - number: what `errno` said.
    ///   - hint: what to do where the cause itself says nothing better.
    public init(_ action: FileAction, _ path: String, _ number: Int32, hint: String? = nil) {
        let name = "\"\(visible(path))\""
        let code = Code(number, doing: action)
        if action == .read, number == ENOENT || number == ENOTDIR {
            if let target = Self.target(ofLink: path) {
                self.init(
                    code, "\(name) is a link to \"\(visible(target))\", which is not there",
                    hint: "Make the link anew, or name the file itself.")
            } else {
                self.init(code, "there is no file \(name)", hint: hint ?? "Check the path; it counts from here.")
            }
        } else {
            self.init(
                code, "cannot \(action.rawValue) \(name): \(Self.text(number))", hint: Self.hint(number) ?? hint)
        }
    }

    /// Where a symbolic link leads; nil for what is none.
    private static func target(ofLink path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            let count = path.withFileName { readlink($0, buffer.baseAddress!, buffer.count) }
            guard count > 0 else { return nil }
            return String(
                decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]), as: UTF8.self)
        }
    }

    /// The same where what cannot be written has no name, or one that is quoted already.
    public init(writing what: String, _ number: Int32) {
        self.init(
            Code(number, doing: .write), "cannot write \(what): \(Self.text(number))",
            hint: Self.hint(number))
    }

    /// The system's words for an error number, in the form of our messages.
    public static func text(_ number: Int32) -> String { String(cString: strerror(number)).lowercased() }

    /// What to do about an error number, where that follows from it alone.
    package static func hint(_ number: Int32) -> String? {
        switch number {
        case ENOSPC, EDQUOT: "Make room on the disk, then run the command again."
        case EFBIG: "The file would be larger than this process may make it: see \"ulimit -f\"."
        case EMFILE: "This process may open no more files: run \"ulimit -n 1024\" first."
        case ENFILE, ENOMEM, EAGAIN: "The machine has no more to give at the moment; try again later."
        default: nil
        }
    }
}

extension Problem.Code {
    /// The one place where a cause becomes an exit code.
    ///
    /// - Parameter number: what `errno` said.
    public init(_ number: Int32, doing action: Problem.FileAction) {
        switch number {
        case EACCES, EPERM, EROFS: self = .noPermission
        case EIO, ENOSPC, EDQUOT, EFBIG, ENXIO, ESTALE, EBADF, EPIPE, ETIMEDOUT, ENODEV, EREMOTEIO: self = .inputOutput
        case EMFILE, ENFILE, ENOMEM, EAGAIN, EBUSY, ETXTBSY, EINTR: self = .tryAgain
        default:
            // The name itself is the trouble: nothing there, a folder, a link to itself, too long.
            switch action {
            case .read, .list: self = .noInput
            case .create, .rename: self = .cannotCreate
            case .write, .remove, .lock: self = .inputOutput
            }
        }
    }
}
