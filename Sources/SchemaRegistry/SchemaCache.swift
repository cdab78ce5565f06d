public import Avro
public import Problems
internal import Synchronization

/// The schemas that messages name by their ids, each asked for once. May be used by several threads.
public final class SchemaCache: Sendable {
    /// What an id stands for.
    public enum Entry: Sendable {
        case schema(AvroSchema)
        /// A text that is no schema of Avro, and why.
        case unreadable(String)
    }

    public let registry: any SchemaRegistry
    /// What messages call the registry: `the registry at https://…`.
    public let place: String
    private let known = Mutex<[Int32: Entry]>([:])

    public init(_ registry: any SchemaRegistry, place: String) { (self.registry, self.place) = (registry, place) }

    /// What a message's id stands for, or nil where nobody registered it: that is asked anew each time, since somebody may do so.
    ///
    /// - Throws: `.unavailable` where the registry does not answer, so that nobody knows.
    public func entry(id: UInt32) throws(Problem) -> Entry? {
        guard let id = Int32(exactly: id) else { return nil }
        if let entry = known.withLock({ $0[id] }) { return entry }
        // Two threads may ask for the same: that is cheaper than to let one wait for the other's question about something else.
        guard let text = try registry.schema(id: id) else { return nil }
        let entry: Entry
        do throws(Problem) {
            entry = .schema(try AvroSchema(text, file: "schema \(id)"))
        } catch {
            entry = .unreadable("schema \(id) of \(place) is none of Avro: \(error.message)")
        }
        known.withLock { $0[id] = entry }
        return entry
    }

    /// What is said of an id that nobody registered.
    public func unknown(_ id: UInt32) -> String { "schema \(id) is not in \(place)" }
}

extension SchemaRegistry {
    /// The id under which messages of a schema are sent.
    ///
    /// - Throws: as `requireUsable`.
    public func id(of schema: String, under subject: String, registering: Bool) throws(Problem) -> UInt32 {
        let found = registering ? try register(schema, under: subject) : try find(schema, under: subject)
        guard let id = found.flatMap({ UInt32(exactly: $0.id) }) else {
            throw Problem(
                .unavailable, "the schema of subject \"\(subject)\" was in the registry, and is gone",
                hint: "Start again.")
        }
        return id
    }

    /// Sees that messages of a schema may be sent under a subject, before anything is made.
    ///
    /// - Parameter registering: whether it may be registered; else it has to be there.
    /// - Throws: `.badData` with every reason where it is not compatible with those before it; `.unavailable` where it is not there and may
    ///   not be registered, or nobody answers.
    public func requireUsable(_ schema: String, under subject: String, registering: Bool) throws(Problem) {
        if try find(schema, under: subject) != nil { return }
        guard registering else {
            throw Problem(
                .unavailable, "the schema is not registered under subject \"\(subject)\", and --no-create is given",
                hint: "Leave --no-create out, or register it first: taxi-cli schema register.")
        }
        let reasons = try incompatibilities(of: schema, under: subject)
        guard reasons.isEmpty else {
            throw Problem(
                .badData,
                "the schema is not compatible with those of subject \"\(subject)\":\n  "
                    + reasons.joined(separator: "\n  "),
                hint:
                    "Nothing was sent. Send in the form that the subject has, or allow the change: taxi-cli schema set-compatibility."
            )
        }
    }
}
