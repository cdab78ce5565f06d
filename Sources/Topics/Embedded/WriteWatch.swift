import Glibc

/// Tells whether somebody has written to a file since the last question, and wakes who waits for it.
///
/// Source: inotify(7). It sees writes by `write` and its like, not those into mapped memory: SQLite's write-ahead log is written, its
/// index is mapped. A commit is seen by readers only after the last of its writes.
final class WriteWatch {
    private let descriptor: Int32

    /// nil where the file is not there, or the system watches no more files for this user.
    init?(path: String) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        guard
            path.withCString({ inotify_add_watch(descriptor, $0, UInt32(IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF)) })
                >= 0
        else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    enum Finding {
        case nothing, written
        /// The file is gone, or has another name: nothing more will be seen.
        case gone
    }

    /// Waits until something happens, at most so long.
    func wait(ms: Int32) -> Finding {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, ms) > 0 else { return .nothing }
        var finding = Finding.nothing
        // Events of a file have no names.
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while case let count = read(descriptor, buffer.baseAddress, buffer.count), count > 0 {
                var place = 0
                while place + MemoryLayout<inotify_event>.size <= count {
                    let event = buffer.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
                    place += MemoryLayout<inotify_event>.size + Int(event.len)
                    if event.mask & UInt32(IN_MODIFY) == 0 {
                        finding = .gone
                    } else if finding == .nothing {
                        finding = .written
                    }
                }
            }
        }
        return finding
    }
}
