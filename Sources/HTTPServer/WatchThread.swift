internal import Foundation

/// Looks at something once a second, until it says that there is nothing more to see.
enum WatchThread {
    static func start(_ look: @escaping @Sendable () -> Bool) {
        let thread = Thread {
            while look() { Thread.sleep(forTimeInterval: 1) }
        }
        thread.name = "http-watch"
        thread.stackSize = 256 << 10
        thread.start()
    }
}
