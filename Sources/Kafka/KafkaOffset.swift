internal import CRdKafka
import Glibc

/// A group's offset in one partition, with the text that is kept beside it.
public struct KafkaOffset: Sendable, Equatable {
    public var topic: String
    public var partition: Int
    /// The next one to read.
    public var offset: Int64
    /// At most 4096 bytes, unless the broker is set up otherwise (`offset.metadata.max.bytes`).
    public var metadata: String

    public init(topic: String, partition: Int, offset: Int64, metadata: String = "") {
        (self.topic, self.partition, self.offset, self.metadata) = (topic, partition, offset, metadata)
    }

    /// The caller frees the list, and librdkafka the texts with it.
    static func list(_ offsets: [KafkaOffset]) -> UnsafeMutablePointer<rd_kafka_topic_partition_list_t> {
        let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))!
        for offset in offsets {
            let element = rd_kafka_topic_partition_list_add(list, offset.topic, Int32(offset.partition))!
            element.pointee.offset = offset.offset
            guard !offset.metadata.isEmpty else { continue }
            let text = strdup(offset.metadata)
            element.pointee.metadata = UnsafeMutableRawPointer(text)
            element.pointee.metadata_size = offset.metadata.utf8.count
        }
        return list
    }

    init(_ element: rd_kafka_topic_partition_t) {
        let metadata = element.metadata.map { bytes in
            String(decoding: UnsafeRawBufferPointer(start: bytes, count: element.metadata_size), as: UTF8.self)
        }
        self.init(
            topic: String(cString: element.topic), partition: Int(element.partition), offset: element.offset,
            metadata: metadata ?? "")
    }
}
