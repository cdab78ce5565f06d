import Foundation

/// A folder of its own for one test, removed with it.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        path = FileManager.default.temporaryDirectory.path + "/taxi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    package func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// - Returns: the path of the new file.
    package func write(_ bytes: [UInt8], to name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: self(name)))
        return self(name)
    }

    /// - Returns: the path of the new file.
    package func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }
}

/// Runs `body` on a thread to which the file system grants no more than to anybody, even when the tests run as root.
package func asNobody<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result {
    nonisolated(unsafe) var result: Result?
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
        // For this thread only, unlike seteuid; Swift's Glibc module leaves it out.
        if geteuid() == 0, let setfsuid = dlsym(nil, "setfsuid") {
            _ = unsafeBitCast(setfsuid, to: (@convention(c) (uid_t) -> Int32).self)(65534)
        }
        result = body()
        done.signal()
    }
    thread.start()
    done.wait()
    return result!
}
