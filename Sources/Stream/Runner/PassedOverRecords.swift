package import SQLite

/// Which records of a topic all queries that read it have passed over, since these were too far ahead of their clocks: nobody has counted them.
package struct PassedOverRecords: Sendable {
    /// Of each query that has read the topic: where it stands, and what it has passed over, by partition.
    private let queries: [(offsets: [Int64], ahead: [AheadRecords])]

    package init(topic: String, on connection: Connection) throws {
        let store = CheckpointStore(connection: connection)
        queries = try StoredQueries.names(on: connection).compactMap { name in
            guard let position = try store.load(name)?.positions[topic] else { return nil }
            return (position.offsets, try AheadRecords.all(of: name, source: topic, on: connection))
        }
    }

    /// False also where a query has not come to it yet, or where there is none.
    package func contains(partition: Int, offset: Int64) -> Bool {
        !queries.isEmpty
            && queries.allSatisfy { query in
                partition < query.offsets.count && query.offsets[partition] > offset
                    && query.ahead.contains { $0.partition == partition && $0.offsets.contains(offset) }
            }
    }
}
