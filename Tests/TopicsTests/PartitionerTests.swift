import Testing
import Topics

@Suite struct PartitionerTests {
    /// The vectors of Kafka's own UtilsTest.
    @Test(
        arguments: [
            ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ] as [(String, Int32)])
    func hashesAsKafkaDoes(_ text: String, _ hash: Int32) {
        #expect(Partitioner.murmur2(Array(text.utf8)) == hash)
    }

    @Test func takesEveryKey() {
        #expect(Partitioner.murmur2([]) == 275_646_681)
        let partitioner = Partitioner(partitionCount: 6)
        var counts = [Int](repeating: 0, count: 6)
        for key in 0..<60_000 {
            let partition = partitioner.partition(forKey: Array("taxi-\(key)".utf8))
            #expect(partitioner.partition(forKey: Array("taxi-\(key)".utf8)) == partition)
            counts[partition] += 1
        }
        #expect(counts.allSatisfy { (9000...11000).contains($0) })
    }

    @Test func maskKeepsNegativeHashesInRange() {
        // murmur2("21") is negative: the sign bit is cut off, not negated.
        #expect(
            Partitioner(partitionCount: 7).partition(forKey: Array("21".utf8)) == Int(-973_932_308 & 0x7fff_ffff) % 7)
    }

    @Test func recordsWithoutKeyStayTogetherUntilTheirBatchIsSent() {
        var partitioner = Partitioner(partitionCount: 3)
        var seen: [Int] = []
        for _ in 0..<4 {
            seen += [partitioner.partitionWithoutKey, partitioner.partitionWithoutKey]
            partitioner.moveOn()
        }
        #expect(seen == [0, 0, 1, 1, 2, 2, 0, 0])
    }
}
