package import SQLite
package import Topics

/// Which records of a topic all queries that read it have passed over for a reason that may be gone by now: nobody has counted them.
package struct PassedOverRecords: Sendable {
    /// Of each query that has read the topic: where it stands, and what it has passed over.
    private let queries: [(offsets: [Int64], passedOver: [PassedOver])]

    package init(topic: String, on connection: Connection) throws {
        let store = CheckpointStore(connection: connection)
        queries = try StoredQueries.names(on: connection).compactMap { name in
            guard let position = try store.load(name)?.positions[topic] else { return nil }
            return (position.offsets, try PassedOver.all(of: name, source: topic, on: connection))
        }
    }

    /// Why one was passed over, by the first query that has; nil also where a query has not come to it yet, or where there is none.
    package func reason(partition: Int, offset: Int64) -> PassedOverReason? {
        var first: PassedOverReason?
        for query in queries {
            guard partition < query.offsets.count, query.offsets[partition] > offset,
                let reason = query.passedOver.reason(partition: partition, offset: offset)
            else { return nil }
            first = first ?? reason
        }
        return first
    }
}
