internal import CRdKafka

extension KafkaProducer {
    /// Takes over the transactional id: an open transaction of an earlier process is aborted, and that process is fenced.
    public func initTransactions() throws(KafkaError) {
        try retrying(forMs: Int64(KafkaClient.connectTimeoutMs)) {
            rd_kafka_init_transactions($0, Self.callTimeoutMs)
        }
    }

    public func begin() throws(KafkaError) {
        _ = takeEnds()
        if let error = rd_kafka_begin_transaction(client.raw) { throw KafkaError(taking: error) }
    }

    /// Adds a group's offsets to the transaction: they count when it is committed, and only then.
    public func send(
        offsets: [KafkaOffset], group: String, onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }
    ) throws(KafkaError) {
        let lent = GroupOffsets(offsets, group: group)
        try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
            rd_kafka_send_offsets_to_transaction($0, lent.offsets, lent.metadata, Self.callTimeoutMs)
        }
    }

    /// Commits what was sent since `begin`; at return all of it is stored, or none of it ever will be.
    ///
    /// Readers of committed records see it a moment later, when the broker has written the transaction's end to each partition.
    public func commit(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        do throws(KafkaError) {
            try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
                rd_kafka_commit_transaction($0, Self.callTimeoutMs)
            }
        } catch {
            // What was wrong with a record says more than that the transaction is lost.
            guard var failure = takeFailure(), failure.isRefusalOfContent else { throw error }
            failure.kind = error.kind
            throw failure
        }
        returnLoans()
        _ = takeFailure()
    }

    /// Gives up what was sent since `begin`.
    public func abort(onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in }) throws(KafkaError) {
        try retrying(forMs: transactionTimeoutMs ?? 0, onWaiting: onWaiting) {
            rd_kafka_abort_transaction($0, Self.callTimeoutMs)
        }
        returnLoans()
        _ = takeFailure()
    }

    /// Of one call of several: how soon somebody is heard who wants the process to end.
    private static let callTimeoutMs: Int32 = 1000

    /// Repeats a call as long as librdkafka says that it may be.
    private func retrying(
        forMs limitMs: Int64, onWaiting: (KafkaError?) throws(KafkaError) -> Void = { _ in },
        _ call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) throws(KafkaError) {
        var since = ContinuousClock.now
        let deadline = since + .milliseconds(limitMs)
        while true {
            let settled = settledCount
            guard let failure = try answer(limitMs: Self.callTimeoutMs, onWaiting, of: call) else { return }
            var error = KafkaError(taking: failure)
            guard error.kind == .retriable, ContinuousClock.now < deadline, client.events.refusal == nil else {
                if error.isRefusalOfContent { error.topic = client.events.refusedTopic }
                throw error
            }
            if settledCount != settled {
                since = .now
            } else {
                try onWaiting(client.events.last ?? error)
                try requirePatience(since: since)
            }
        }
    }
}

/// What a group commits, in librdkafka's memory: kept by whoever uses it last.
///
/// `@unchecked Sendable`: nobody changes it.
private final class GroupOffsets: @unchecked Sendable {
    let offsets: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>
    let metadata: OpaquePointer?

    init(_ offsets: [KafkaOffset], group: String) {
        self.offsets = KafkaOffset.list(offsets)
        metadata = rd_kafka_consumer_group_metadata_new(group)
    }
    deinit {
        rd_kafka_topic_partition_list_destroy(offsets)
        rd_kafka_consumer_group_metadata_destroy(metadata)
    }
}
