internal import Problems

/// What a pass is asked for.
public struct PublishOptions: Sendable {
    /// Whose views.
    public var tenant: String
    public var schema: String
    /// Takes a schema over that another tenant or database was published to, and tables that somebody else made.
    public var replaces = false
    /// Compares every row, whatever the passes before have noted.
    public var comparesAll = false
    /// A role to be made, where there is none, that may read the tables.
    public var reader: String?

    public init(tenant: String, schema: String) { (self.tenant, self.schema) = (tenant, schema) }
}

/// What a pass did.
public struct PublishSummary: Sendable {
    public struct Table: Sendable, Hashable {
        public var name: String
        /// In it now.
        public var rows: Int64
        /// Added or changed.
        public var written: Int
        public var deleted: Int
    }

    /// nil where nothing was different.
    public var pass: Int64?
    public var tables: [Table] = []
    /// What a person should know.
    public var notes: [String] = []

    public var rows: Int64 { tables.reduce(0) { $0 + $1.rows } }
    public var written: Int { tables.reduce(0) { $0 + $1.written } }
    public var deleted: Int { tables.reduce(0) { $0 + $1.deleted } }
    /// Tables of which something changed.
    public var changed: [Table] { tables.filter { $0.written + $0.deleted > 0 } }
}

/// What a pass says on its way.
public struct PublishTalk {
    /// Another `publish` holds the schema, and is waited for.
    public var waits: () -> Void
    /// A table is being written: its name, and how many rows have gone.
    public var progress: (_ table: String, _ rows: Int64) -> Void

    public init(waits: @escaping () -> Void = {}, progress: @escaping (String, Int64) -> Void = { _, _ in }) {
        (self.waits, self.progress) = (waits, progress)
    }
}
