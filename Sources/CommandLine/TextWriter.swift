internal import Glibc
internal import Problems
internal import Synchronization

/// The reader of a pipe has gone (`taxi-cli show … | head`): no failure, only the end of the work. `Program` ends with exit code 0.
public struct ClosedPipe: Error, Sendable {}

/// Text on its way to stdout or stderr, buffered; any thread may write.
///
/// SIGPIPE must be ignored (`Program` does so), so that a closed pipe becomes a `ClosedPipe` error instead of a silent death
/// in the middle of a transaction.
public final class TextWriter: Sendable {
    private enum Target { case descriptor(Int32), memory }
    private struct State {
        var buffer: [UInt8] = []
        var target: Target
    }

    private let state: Mutex<State>
    private let capacityBytes: Int
    private let dropsWhatFails: Bool

    private init(_ target: Target, capacityBytes: Int, dropsWhatFails: Bool = false) {
        state = Mutex(State(target: target))
        self.capacityBytes = capacityBytes
        self.dropsWhatFails = dropsWhatFails
    }

    public static let standardOutput = TextWriter(.descriptor(STDOUT_FILENO), capacityBytes: 64 << 10)
    /// Every write goes out at once. It never throws: talk that nobody can hear must not end the work that it is about.
    public static let standardError = TextWriter(.descriptor(STDERR_FILENO), capacityBytes: 0, dropsWhatFails: true)

    /// A writer on an open descriptor, which stays the caller's.
    public convenience init(descriptor: Int32, capacityBytes: Int = 64 << 10) {
        self.init(.descriptor(descriptor), capacityBytes: capacityBytes)
    }

    /// Keeps what is written; for tests.
    public static func inMemory() -> TextWriter { TextWriter(.memory, capacityBytes: .max) }

    /// What a writer in memory has been given.
    public var text: String { state.withLock { String(decoding: $0.buffer, as: UTF8.self) } }

    /// - Throws: `ClosedPipe`; `Problem(.inputOutput)` where the file cannot take more.
    public func write(_ text: String) throws {
        try state.withLock { state in
            state.buffer.append(contentsOf: text.utf8)
            if state.buffer.count > capacityBytes { try empty(&state) }
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try state.withLock { state in
            state.buffer.append(contentsOf: bytes)
            if state.buffer.count > capacityBytes { try empty(&state) }
        }
    }

    public func writeLine(_ text: String) throws { try write(text + "\n") }

    public func flush() throws { try state.withLock { try empty(&$0) } }

    private func empty(_ state: inout State) throws {
        guard case .descriptor(let descriptor) = state.target else { return }
        // What could not be written is not tried again: the second failure would hide the first.
        defer { state.buffer.removeAll(keepingCapacity: true) }
        do {
            try Self.write(state.buffer, to: descriptor)
        } catch {
            if !dropsWhatFails { throw error }
        }
    }

    private static func write(_ buffer: [UInt8], to descriptor: Int32) throws {
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
                    let reason = String(cString: strerror(errno))
                    throw Problem(
                        .inputOutput, "cannot write the output: \(reason)",
                        hint: errno == ENOSPC ? "Make room where the output goes." : nil)
                }
            }
        }
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Where the slice begins; nil where its base is empty.
    fileprivate var base: UnsafeRawPointer? { UnsafeRawBufferPointer(rebasing: self).baseAddress }
}
