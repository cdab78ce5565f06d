internal import Foundation
internal import Problems

/// What serve says of its services, for whoever looks: `<home>/.serve/state.json`, written whole at each change.
public struct ServeState: Codable, Sendable, Equatable {
    public struct Service: Codable, Sendable, Equatable {
        public enum State: String, Codable, Sendable {
            /// For services that have to be ready before it.
            case waiting
            case starting, ready
            /// It has ended and begins again after a pause.
            case restarting
            /// The tenant's share of the disk is full: it begins again when there is room.
            case full
            case stopping
            /// It has done what it was for.
            case done
            /// It will not be started again before serve.yaml is read again.
            case failed
        }
        public var tenant: String
        public var service: String
        public var state: State
        public var pid: Int32?
        /// Since when the state holds, ms UTC.
        public var sinceMs: Int64
        public var restarts: Int
        /// What holds it back now, such as `5000/s`.
        public var limited: String?
        /// Why it is not at work.
        public var why: String?
    }

    public var pid: Int32
    public var startedMs: Int64
    public var pages: String?
    public var services: [Service]

    static func path(_ home: String) -> String { "\(HomeLock.folder(home))/state.json" }

    /// What the serve of a home says; nil where none runs, or it cannot be read.
    public static func read(home: String) -> ServeState? {
        guard HomeLock.isHeld(home: home),
            let bytes = try? Files.contents(of: path(home), limitBytes: 16 << 20)
        else { return nil }
        return try? JSONDecoder().decode(ServeState.self, from: Data(bytes))
    }

    /// Puts it in the place of the last one; where that fails the last one stays.
    func write(home: String) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { return }
        let (path, part) = (Self.path(home), "\(Self.path(home)).new")
        let file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        guard (try? Files.write(Array(data), to: file, of: part)) != nil else { return }
        rename(part, path)
    }
}
