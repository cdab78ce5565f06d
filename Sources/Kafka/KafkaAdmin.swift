internal import CRdKafka
import Foundation
import Glibc
public import Problems

/// Creates, deletes and describes what lies in a cluster; used by one thread at a time.
public final class KafkaAdmin {
    public let client: KafkaClient
    private let queue: OpaquePointer

    /// - Parameter seesOpenTransactions: whether offsets count records of transactions that have not ended.
    public init(_ configuration: KafkaConfiguration, seesOpenTransactions: Bool = false) throws(Problem) {
        // A consumer, though it consumes nothing: where a group's coordinator moves, librdkafka 2.0 looks for the client's own group, and
        // crashes where it has none.
        client = try KafkaClient(
            .consumer, configuration,
            fixed: [
                "group.id": "taxi-cli-admin",
                "isolation.level": seesOpenTransactions ? "read_uncommitted" : "read_committed",
            ])
        queue = rd_kafka_queue_new(client.raw)
    }

    deinit { rd_kafka_queue_destroy(queue) }

    /// - Parameters:
    ///   - replication: how many brokers keep each record; nil takes the cluster's own number.
    ///   - settings: the topic's configuration, by Kafka's names.
    public func createTopic(
        _ name: String, partitions: Int, replication: Int?, settings: [String: String]
    ) throws(KafkaError) {
        var text = [CChar](repeating: 0, count: 512)
        guard
            let topic = rd_kafka_NewTopic_new(name, Int32(partitions), Int32(replication ?? -1), &text, text.count)
        else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, string(text)) }
        defer { rd_kafka_NewTopic_destroy(topic) }
        for (key, value) in settings { rd_kafka_NewTopic_set_config(topic, key, value) }
        var topics: [OpaquePointer?] = [topic]
        let event = try request(RD_KAFKA_ADMIN_OP_CREATETOPICS) { options in
            rd_kafka_CreateTopics(client.raw, &topics, 1, options, queue)
        }
        defer { rd_kafka_event_destroy(event) }
        var count = 0
        guard let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
        else { return }
        try check(results, count)
    }

    public func deleteTopic(_ name: String) throws(KafkaError) {
        guard let topic = rd_kafka_DeleteTopic_new(name) else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG) }
        defer { rd_kafka_DeleteTopic_destroy(topic) }
        var topics: [OpaquePointer?] = [topic]
        let event = try request(RD_KAFKA_ADMIN_OP_DELETETOPICS) { options in
            rd_kafka_DeleteTopics(client.raw, &topics, 1, options, queue)
        }
        defer { rd_kafka_event_destroy(event) }
        var count = 0
        guard let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count)
        else { return }
        try check(results, count)
    }

    /// A topic's configuration, defaults included.
    public func settings(ofTopic name: String) throws(KafkaError) -> [String: String] {
        guard let resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG)
        }
        defer { rd_kafka_ConfigResource_destroy(resource) }
        var resources: [OpaquePointer?] = [resource]
        let event = try request(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) { options in
            rd_kafka_DescribeConfigs(client.raw, &resources, 1, options, queue)
        }
        defer { rd_kafka_event_destroy(event) }
        var count = 0
        let found = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count)
        guard count > 0, let found, let first = found[0] else { return [:] }
        let code = rd_kafka_ConfigResource_error(first)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
        let entries = rd_kafka_ConfigResource_configs(first, &count)
        var settings: [String: String] = [:]
        for index in 0..<count {
            guard let entry = entries?[index], let value = rd_kafka_ConfigEntry_value(entry) else { continue }
            settings[String(cString: rd_kafka_ConfigEntry_name(entry))] = String(cString: value)
        }
        return settings
    }

    /// The offsets that a group has committed in the topics that `isWanted` picks.
    ///
    /// - Parameter isSettled: whether those of a transaction under way are waited for; else they do not count yet.
    ///
    /// Asked as a member of the group would: librdkafka 2.0.2 crashes where ListConsumerGroupOffsets is answered that an offset is not
    /// settled yet, which happens after a producer was killed in its transaction.
    public func offsets(
        ofGroup group: String, isSettled: Bool, inTopics isWanted: (String) -> Bool
    ) throws(KafkaError) -> [KafkaOffset] {
        let topics = try client.topics().filter { isWanted($0.name) }
        if topics.isEmpty { return [] }
        let consumer: KafkaClient
        do {
            consumer = try KafkaClient(
                .consumer, client.configuration,
                fixed: [
                    "group.id": group, "isolation.level": isSettled ? "read_committed" : "read_uncommitted",
                    "enable.auto.commit": "false",
                ])
        } catch { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, error.message) }
        return try retrying { () throws(KafkaError) in
            let wanted = KafkaOffset.list(
                topics.flatMap { topic in
                    (0..<topic.partitionCount).map { KafkaOffset(topic: topic.name, partition: $0, offset: -1) }
                })
            defer { rd_kafka_topic_partition_list_destroy(wanted) }
            let code = KafkaPatience.inPieces(limitMs: KafkaClient.connectTimeoutMs) {
                rd_kafka_committed(consumer.raw, wanted, $0)
            }
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code) }
            return try Self.offsets(in: wanted)
        }
    }

    /// The names of all consumer groups that this user may see.
    public func groupNames() throws(KafkaError) -> [String] {
        var list: UnsafePointer<rd_kafka_group_list>?
        let code = rd_kafka_list_groups(client.raw, nil, &list, KafkaClient.connectTimeoutMs)
        defer { if let list { rd_kafka_group_list_destroy(list) } }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { throw KafkaError(code) }
        return (0..<Int(list.pointee.group_cnt)).map { String(cString: list.pointee.groups[$0].group) }.sorted()
    }

    /// Removes a group with its offsets; nobody may be its member.
    public func deleteGroup(_ name: String) throws(KafkaError) {
        guard let group = rd_kafka_DeleteGroup_new(name) else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG) }
        defer { rd_kafka_DeleteGroup_destroy(group) }
        var groups: [OpaquePointer?] = [group]
        let event = try request(RD_KAFKA_ADMIN_OP_DELETEGROUPS) { options in
            rd_kafka_DeleteGroups(client.raw, &groups, 1, options, queue)
        }
        defer { rd_kafka_event_destroy(event) }
        var count = 0
        let results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count)
        guard count > 0, let result = results?[0], let error = rd_kafka_group_result_error(result) else { return }
        throw KafkaError(rd_kafka_error_code(error), String(cString: rd_kafka_error_string(error)))
    }

    /// Sets a group's offsets, outside of any transaction.
    public func commit(_ offsets: [KafkaOffset], group: String) throws(KafkaError) {
        try retrying { () throws(KafkaError) in try alter(offsets, group: group) }
    }

    /// Repeats what a coordinator that is only just starting, or moving, has refused.
    private func retrying<Result>(_ body: () throws(KafkaError) -> Result) throws(KafkaError) -> Result {
        let start = ContinuousClock.now
        let deadline = start + .milliseconds(Int(KafkaClient.connectTimeoutMs))
        while true {
            do throws(KafkaError) {
                return try body()
            } catch {
                guard error.isConnection || error.isUnstable, !error.isTimeout, ContinuousClock.now < deadline else {
                    throw error
                }
                try KafkaPatience.check(since: start)
                usleep(50_000)
            }
        }
    }

    private func alter(_ offsets: [KafkaOffset], group: String) throws(KafkaError) {
        let list = KafkaOffset.list(offsets)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        guard let wanted = rd_kafka_AlterConsumerGroupOffsets_new(group, list) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG)
        }
        defer { rd_kafka_AlterConsumerGroupOffsets_destroy(wanted) }
        var groups: [OpaquePointer?] = [wanted]
        let event = try request(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS) { options in
            rd_kafka_AlterConsumerGroupOffsets(client.raw, &groups, 1, options, queue)
        }
        defer { rd_kafka_event_destroy(event) }
        var count = 0
        let results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count)
        _ = try self.offsets(in: results, count)
    }

    private func offsets(
        in groups: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int
    ) throws(KafkaError) -> [KafkaOffset] {
        guard count > 0, let group = groups?[0] else { return [] }
        if let error = rd_kafka_group_result_error(group) {
            // librdkafka owns this one.
            throw KafkaError(rd_kafka_error_code(error), String(cString: rd_kafka_error_string(error)))
        }
        guard let list = rd_kafka_group_result_partitions(group) else { return [] }
        return try Self.offsets(in: UnsafeMutablePointer(mutating: list))
    }

    private static func offsets(
        in list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>
    ) throws(KafkaError) -> [KafkaOffset] {
        var offsets: [KafkaOffset] = []
        for index in 0..<Int(list.pointee.cnt) {
            let element = list.pointee.elems[index]
            guard element.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(element.err) }
            // A partition that the group has no offset in.
            if element.offset >= 0 { offsets.append(KafkaOffset(element)) }
        }
        return offsets
    }

    private func check(_ results: UnsafeMutablePointer<OpaquePointer?>, _ count: Int) throws(KafkaError) {
        for index in 0..<count {
            guard let result = results[index] else { continue }
            let code = rd_kafka_topic_result_error(result)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(code, rd_kafka_topic_result_error_string(result).map { String(cString: $0) })
            }
        }
    }

    /// Sends a request and waits for its answer, which the caller destroys.
    private func request(_ operation: rd_kafka_admin_op_t, _ send: (OpaquePointer?) -> Void) throws(KafkaError)
        -> OpaquePointer
    {
        let options = rd_kafka_AdminOptions_new(client.raw, operation)
        defer { rd_kafka_AdminOptions_destroy(options) }
        rd_kafka_AdminOptions_set_request_timeout(options, KafkaClient.connectTimeoutMs, nil, 0)
        send(options)
        let start = ContinuousClock.now
        var answer: OpaquePointer?
        repeat {
            answer = rd_kafka_queue_poll(queue, 500)
            if answer == nil, KafkaPatience.isOver(since: start) { throw KafkaError(givingUpAfter: client.events.last) }
        } while answer == nil
            && start.duration(to: .now) < .milliseconds(Int(KafkaClient.connectTimeoutMs) + 1000)
        guard let event = answer else { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }
        let code = rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let error = KafkaError(code, rd_kafka_event_error_string(event).map { String(cString: $0) })
            rd_kafka_event_destroy(event)
            rd_kafka_poll(client.raw, 0)
            throw client.events.refusal ?? error
        }
        return event
    }
}
