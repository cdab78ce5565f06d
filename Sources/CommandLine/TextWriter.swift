internal import Basics
internal import Glibc
internal import Problems
internal import Synchronization

/// The reader of a pipe has gone (`taxi-cli show … | head`): no failure, only the end of the work. `Program` ends with exit code 0.
public struct ClosedPipe: Error, Sendable {}

/// Text on its way to stdout or stderr, buffered; any thread may write.
///
/// Here, and in no command, text is made fit for people: on a terminal and in what is said on stderr, whatever would act upon the terminal
/// is written as an escape (`VisibleText`), but for the colours of `Style` and what `control` writes. Into a file or pipe data goes as
/// it is.
///
/// SIGPIPE must be ignored (`Program` does so), so that a closed pipe becomes a `ClosedPipe` error instead of a silent death
/// in the middle of a transaction.
public final class TextWriter: Sendable {
    private enum Target { case descriptor(Int32), memory }
    private struct State {
        var buffer: [UInt8] = []
        /// The beginning of a character whose end was not written yet; only for people.
        var unfinished: [UInt8] = []
        var target: Target
    }

    private let state: Mutex<State>
    private let capacityBytes: Int
    private let dropsWhatFails: Bool
    private let isForPeople: Bool
    /// What messages call the target.
    private let name: String

    private init(
        _ target: Target, capacityBytes: Int, isForPeople: Bool, name: String = "the output",
        dropsWhatFails: Bool = false
    ) {
        state = Mutex(State(target: target))
        self.capacityBytes = capacityBytes
        self.dropsWhatFails = dropsWhatFails
        self.isForPeople = isForPeople
        self.name = name
    }

    public static let standardOutput = TextWriter(
        .descriptor(STDOUT_FILENO), capacityBytes: 64 << 10, isForPeople: isatty(STDOUT_FILENO) == 1)
    /// Every write goes out at once. It never throws: talk that nobody can hear must not end the work that it is about.
    public static let standardError = TextWriter(
        .descriptor(STDERR_FILENO), capacityBytes: 0, isForPeople: true, dropsWhatFails: true)

    /// A writer on an open descriptor, which stays the caller's.
    ///
    /// - Parameter path: of the file, for messages; nil for none.
    public convenience init(descriptor: Int32, capacityBytes: Int = 64 << 10, path: String? = nil) {
        self.init(
            .descriptor(descriptor), capacityBytes: capacityBytes, isForPeople: isatty(descriptor) == 1,
            name: path.map { "\"\(visible($0))\"" } ?? "the output")
    }

    /// Keeps what is written; for tests, as a terminal would get it or as a pipe.
    public static func inMemory(isForPeople: Bool = false) -> TextWriter {
        TextWriter(.memory, capacityBytes: .max, isForPeople: isForPeople)
    }

    /// What a writer in memory has been given.
    public var text: String { state.withLock { String(decoding: $0.buffer, as: UTF8.self) } }

    /// - Throws: `ClosedPipe`; `Problem(.inputOutput)` where the file cannot take more.
    public func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try add(UnsafeRawBufferPointer($0), styles: true) }
    }

    /// The same for bytes of data, which have no colours.
    public func write(_ bytes: UnsafeRawBufferPointer) throws { try add(bytes, styles: false) }

    public func writeLine(_ text: String) throws { try write(text + "\n") }

    /// Writes what a terminal shall obey; never anything that came from outside.
    public func control(_ text: String) throws {
        try state.withLock { state in
            state.buffer.append(contentsOf: text.utf8)
            if state.buffer.count > capacityBytes { try empty(&state) }
        }
    }

    public func flush() throws {
        try state.withLock { state in
            // What is no whole character now will be none.
            for byte in state.unfinished { state.buffer += "\\x\(hexadecimal(byte, digits: 2))".utf8 }
            state.unfinished = []
            try empty(&state)
        }
    }

    private func add(_ bytes: UnsafeRawBufferPointer, styles: Bool) throws {
        try state.withLock { state in
            if !isForPeople {
                state.buffer.append(contentsOf: bytes)
            } else if state.unfinished.isEmpty {
                Self.append(bytes, styles: styles, to: &state)
            } else {
                let whole = state.unfinished + bytes
                whole.withUnsafeBytes { Self.append($0, styles: styles, to: &state) }
            }
            if state.buffer.count > capacityBytes { try empty(&state) }
        }
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, styles: Bool, to state: inout State) {
        let bytes = bytes.assumingMemoryBound(to: UInt8.self)
        let used = VisibleText.append(bytes, to: &state.buffer, lines: true, styles: styles)
        state.unfinished = Array(bytes[used...])
    }

    private func empty(_ state: inout State) throws {
        guard case .descriptor(let descriptor) = state.target else { return }
        // What could not be written is not tried again: the second failure would hide the first.
        defer { state.buffer.removeAll(keepingCapacity: true) }
        do {
            try write(state.buffer, to: descriptor)
        } catch {
            if !dropsWhatFails { throw error }
        }
    }

    private func write(_ buffer: [UInt8], to descriptor: Int32) throws {
        try buffer.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.base, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EPIPE {
                    throw ClosedPipe()
                } else if errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, -1)
                } else if errno != EINTR {
                    throw Problem(writing: name, errno)
                }
            }
        }
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Where the slice begins; nil where its base is empty.
    fileprivate var base: UnsafeRawPointer? { UnsafeRawBufferPointer(rebasing: self).baseAddress }
}
