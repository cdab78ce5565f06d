import Foundation
import Kafka

/// A producer's mark as the text that Kafka keeps beside a group's offset.
///
/// `taxi-cli <epoch> <sequence> [<position in base 64>]`; the position is kept with the first partition only. A broker takes 4096
/// bytes of it unless it is set up otherwise (`offset.metadata.max.bytes`).
enum KafkaMark {
    private static let word = "taxi-cli"

    /// The offsets to commit with a mark: those of its progress.
    static func offsets(_ mark: ProducerMark, progress: ProducerMark.Progress) -> [KafkaOffset] {
        progress.offsets.enumerated().map { partition, offset in
            var text = numbers(mark)
            if partition == 0, !mark.position.isEmpty { text += " \(Data(mark.position).base64EncodedString())" }
            return KafkaOffset(topic: progress.topic, partition: partition, offset: max(0, offset), metadata: text)
        }
    }

    private static func numbers(_ mark: ProducerMark) -> String { "\(word) \(mark.epoch) \(mark.sequence)" }

    /// Whether an offset was committed with the mark, and not with an older one.
    static func isPart(_ offset: KafkaOffset, of mark: ProducerMark) -> Bool {
        offset.metadata == numbers(mark) || offset.metadata.hasPrefix(numbers(mark) + " ")
    }

    /// The newest mark among a group's offsets; nil where there is none of ours.
    static func newest(in offsets: [KafkaOffset], producer: String) -> ProducerMark? {
        let marks = offsets.compactMap { offset -> (mark: ProducerMark, offset: KafkaOffset)? in
            let parts = offset.metadata.split(separator: " ")
            guard parts.count >= 3, parts[0] == word, let epoch = Int64(parts[1]), let sequence = Int64(parts[2]) else {
                return nil
            }
            let position = parts.count > 3 ? Data(base64Encoded: String(parts[3])).map { [UInt8]($0) } : nil
            return (
                ProducerMark(producer: producer, epoch: epoch, sequence: sequence, position: position ?? []), offset
            )
        }
        guard let newest = marks.map({ ($0.mark.epoch, $0.mark.sequence) }).max(by: <) else { return nil }
        // All partitions of one commit carry the same numbers; the first has the position.
        let same = marks.filter { ($0.mark.epoch, $0.mark.sequence) == newest }.sorted {
            ($0.offset.topic, $0.offset.partition) < ($1.offset.topic, $1.offset.partition)
        }
        return same.first { !$0.mark.position.isEmpty }?.mark ?? same.first?.mark
    }
}
