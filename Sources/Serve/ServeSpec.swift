/// What a serve.yaml asks for: which services of which tenants run, with what share of the machine.
public struct ServeSpec: Sendable, Equatable {
    /// The file, absolute.
    public var file: String
    public var pages = PagesSpec()
    /// How many workers compute at once, of all tenants; nil for the number of processors.
    public var workers: Int?
    public var stopMs: Int64 = 30_000
    public var readyMs: Int64 = 60_000
    public var restart = RestartSpec()
    public var logs = LogSpec()
    public var tenants: [TenantSpec] = []

    public init(file: String) { self.file = file }

    /// All services, in the order in which they may start: each behind those that it waits for.
    public var services: [ServiceSpec] { tenants.flatMap(\.services) }

    /// The folder that paths in the file count from.
    public var folder: String { String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]) }
}

/// Where the pages of all tenants are.
public struct PagesSpec: Sendable, Equatable {
    /// nil for no pages.
    public var listen: String? = "127.0.0.1:8787"
    public var tokenFile: String?
    public var tlsCertificate: String?
    public var tlsKey: String?
    public var isReadOnly = false
}

/// How a service that ends by itself comes back: after a pause that doubles each time.
public struct RestartSpec: Sendable, Equatable {
    public var firstMs: Int64 = 1000
    public var limitMs: Int64 = 60_000
    /// So many times in a row; one that has run for longer than the longest pause begins anew.
    public var attempts = 10
}

/// What is kept of a service's log.
public struct LogSpec: Sendable, Equatable {
    public var sizeBytes: Int64 = 10_000_000
    /// Besides the one that is written to.
    public var files = 5
    public var ageMs: Int64 = 30 * 86_400_000
}

public struct TenantSpec: Sendable, Equatable {
    public var name: String
    public var weight = 1
    public var user: UserSpec?
    /// Of a tenant that has to be made; one that is there has its own.
    public var zone: String?
    public var limits = LimitsSpec()
    public var services: [ServiceSpec] = []
}

/// Whom a service runs as.
public struct UserSpec: Sendable, Equatable {
    public var name: String
    public var uid: UInt32
    public var gid: UInt32
    public var home: String
}

/// What a tenant may use at most; nil for no limit.
public struct LimitsSpec: Sendable, Equatable {
    public var recordsPerSecond: Double?
    public var diskBytes: Int64?
    public var memoryBytes: Int64?
    public var workers: Int?
}

/// One process that is kept running.
public struct ServiceSpec: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case replay, stream, workflow, ml, publish

        /// The command that it is.
        var command: [String] {
            switch self {
            case .replay: ["produce"]
            case .stream: ["stream"]
            case .workflow: ["workflow", "serve"]
            case .ml: ["ml", "serve"]
            case .publish: ["publish"]
            }
        }

        /// What it is always given: a replay that comes back goes on where it was, and publishing goes on.
        var always: [String] {
            switch self {
            case .replay: ["--resume"]
            case .publish: ["--watch"]
            default: []
            }
        }
    }

    public var tenant: String
    public var name: String
    public var kind: Kind
    /// The command line without the program's name.
    public var words: [String]
    /// Services of the tenant that have to be ready before, by name.
    public var after: [String]
    public var user: UserSpec?
    public var limits: LimitsSpec
    /// The folder in which it runs.
    public var folder: String
    /// What keeps it from being started, and is the tenant's own: others start all the same.
    public var fault: String?

    public var id: String { "\(tenant)/\(name)" }
}
