import Kafka
import Testing

@testable import Topics

@Suite struct KafkaMarkTests {
    private func mark(_ epoch: Int64, _ sequence: Int64, _ position: [UInt8] = []) -> ProducerMark {
        ProducerMark(producer: "p", epoch: epoch, sequence: sequence, position: position)
    }

    @Test(arguments: [[], [0], Array(0...255)] as [[UInt8]])
    func comesBackAsItWas(_ position: [UInt8]) {
        let offsets = KafkaMark.offsets(mark(3, -1, position), progress: .init(topic: "t", offsets: [5, 0, 7]))
        #expect(offsets.map(\.offset) == [5, 0, 7])
        #expect(offsets.map(\.partition) == [0, 1, 2])
        #expect(KafkaMark.newest(in: offsets.reversed(), producer: "p") == mark(3, -1, position))
    }

    @Test func keepsThePositionOnce() {
        let offsets = KafkaMark.offsets(mark(1, 2, [1]), progress: .init(topic: "t", offsets: [0, 0]))
        #expect(offsets.map(\.metadata) == ["taxi-cli 1 2 AQ==", "taxi-cli 1 2"])
    }

    @Test func isTheNewestOfSeveral() {
        let offsets = [mark(2, 1, [1]), mark(1, 9, [2]), mark(2, 0, [3])].enumerated().flatMap { index, mark in
            KafkaMark.offsets(mark, progress: .init(topic: "t\(index)", offsets: [0, 0]))
        }
        #expect(KafkaMark.newest(in: offsets, producer: "p") == mark(2, 1, [1]))
    }

    @Test(arguments: ["", "taxi-cli", "taxi-cli 1", "taxi-cli x 1", "taxi-cli 1 y", "flink 1 2", "taxi-cli  "])
    func isNoneWhereOthersWrote(_ text: String) {
        let offset = KafkaOffset(topic: "t", partition: 0, offset: 0, metadata: text)
        #expect(KafkaMark.newest(in: [offset], producer: "p") == nil)
        let ours = KafkaMark.offsets(mark(1, 1), progress: .init(topic: "u", offsets: [0]))
        #expect(KafkaMark.newest(in: [offset] + ours, producer: "p") == mark(1, 1), "beside one of ours")
    }
}
