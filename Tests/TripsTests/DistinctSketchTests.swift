import Basics
import Testing
import Trips

/// A sketch is a function of the set of its values alone: exact up to its limit, within 2 % beyond.
@Suite struct DistinctSketchTests {
    /// A sketch that can be handed around.
    private final class Box {
        var sketch = DistinctSketch()

        init(_ hashes: some Sequence<UInt64> = []) { for hash in hashes { sketch.insert(hash) } }

        var text: String {
            var out = OutputBuffer()
            sketch.append(to: &out)
            return String(decoding: out.bytes, as: UTF8.self)
        }

        func read(_ text: String) -> Bool {
            var text = text
            return text.withUTF8 { sketch.formUnion(stored: UnsafeRawBufferPointer($0)) }
        }
    }

    private func hashes(_ values: Range<Int>) -> [UInt64] { values.map { DistinctHash.of(integer: Int64($0)) } }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func smallSetsAreCountedAsSets(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        for _ in 0..<60 {
            let reach = Int64.random(in: 1...3000, using: &numbers)
            let values = (0..<Int.random(in: 0...4000, using: &numbers)).map { _ in
                Int64.random(in: -reach...reach, using: &numbers)
            }
            let box = Box(values.map(DistinctHash.of(integer:)))
            #expect(box.sketch.count == Int64(Set(values).count))
            #expect(box.sketch.isEmpty == values.isEmpty)
            #expect(box.text.utf8.count == 11 * Set(values).count)
        }
    }

    @Test func allCountsUpToTheLimitAreExact() {
        let box = Box()
        for (count, hash) in hashes(0..<DistinctSketch.exactLimit).enumerated() {
            box.sketch.insert(hash)
            box.sketch.insert(hash)
            guard box.sketch.count == Int64(count) + 1 else {
                Issue.record("\(box.sketch.count) after \(count + 1) values")
                return
            }
        }
    }

    /// The count goes on upwards where the set becomes registers.
    @Test func theSwitchIsSeamless() {
        let limit = DistinctSketch.exactLimit
        let box = Box(hashes(0..<limit))
        #expect(box.sketch.count == Int64(limit) && box.text.utf8.count == 11 * limit)
        for hash in hashes(0..<limit) { box.sketch.insert(hash) }
        #expect(box.sketch.count == Int64(limit))
        for (more, hash) in hashes(limit..<limit + 200).enumerated() {
            box.sketch.insert(hash)
            let (count, exact) = (box.sketch.count, Int64(limit + more + 1))
            #expect(count > Int64(limit) && abs(count - exact) * 50 <= exact)
        }
        #expect(box.text.utf8.count == DistinctRegisters.count)
    }

    @Test(arguments: [100, 5000, 8192, 8193, 20_000, 100_000])
    func theOrderOfValuesAndOfPartsMakesNoDifference(count: Int) {
        var numbers = SplitMix64(seed: UInt64(count))
        let all = hashes(0..<count)
        let whole = Box(all)
        for parts in [2, 7] {
            let pieces = (0..<parts).map { part in
                // With much in common.
                Box(
                    all.enumerated().filter { $0.offset % parts == part || $0.offset % 3 == 0 }.map(\.element).shuffled(
                        using: &numbers))
            }
            let united = Box()
            for piece in pieces.shuffled(using: &numbers) { united.sketch.formUnion(piece.sketch) }
            #expect(united.text == whole.text)
            #expect(united.sketch.count == whole.sketch.count)
            // Stored ones alike.
            let read = Box()
            for piece in pieces.shuffled(using: &numbers) { #expect(read.read(piece.text)) }
            #expect(read.text == whole.text)
        }
        #expect(Box(all.reversed()).text == whole.text)
    }

    @Test func millionsAreWithinTwoPercent() {
        // Numbers in a row, texts, and texts that differ at their end alone.
        let forms: [(Int) -> UInt64] = [
            { DistinctHash.of(integer: Int64($0)) },
            { number in
                withUnsafeBytes(of: (0x3031_3233_3435_3637, number)) {
                    DistinctHash.of(text: $0.assumingMemoryBound(to: UInt8.self))
                }
            },
        ]
        for form in forms {
            let box = Box()
            var checks = [
                10_000, 30_000, 60_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000,
            ][...]
            for number in 1...5_000_000 {
                box.sketch.insert(form(number))
                guard number == checks.first else { continue }
                checks.removeFirst()
                let error = Double(box.sketch.count) / Double(number) - 1
                #expect(abs(error) < 0.02, "\(number): \(error)")
            }
        }
    }

    @Test func anEmptiedSketchIsAsNew() {
        for count in [3, 9000] {
            let box = Box(hashes(0..<count))
            box.sketch.removeAll()
            #expect(box.sketch.isEmpty && box.sketch.count == 0 && box.text.isEmpty)
            for hash in hashes(5..<25) { box.sketch.insert(hash) }
            #expect(box.text == Box(hashes(5..<25)).text)
        }
    }

    @Test(arguments: [10, 8192, 8193, 50_000])
    func whatIsStoredComesBack(count: Int) {
        let box = Box(hashes(0..<count))
        let back = Box()
        #expect(back.read(box.text))
        #expect(back.text == box.text && back.sketch.count == box.sketch.count)
    }

    @Test func textThatIsNoStateIsRefused() {
        let one = Box(hashes(1..<2)).text
        let two = Box(hashes(1..<3)).text
        let registers = Box(hashes(0..<9000)).text
        let (first, second) = (String(two.prefix(11)), String(two.suffix(11)))
        var wrong: [String] = ["x", one + "-", one + one, second + first, one + "é"]
        wrong += [String(one.dropLast()), String(repeating: "-", count: 11), String(repeating: "z", count: 11)]
        wrong += ["+", "z"].map { $0 + String(one.dropFirst()) }
        wrong += [String(registers.dropLast()), registers + "-"]
        wrong += ["z", "!"].map { $0 + String(registers.dropFirst()) }
        wrong.append(String(repeating: one, count: DistinctSketch.exactLimit + 1))
        for text in wrong {
            let box = Box(hashes(7..<9))
            #expect(!box.read(text), "\(text.prefix(30))")
            #expect(box.sketch.count == 2)
        }
        #expect(Box().read(""))
    }

    /// They are stored: another version has to find the same.
    @Test func hashesAreTheSameForEver() {
        #expect(DistinctHash.of(integer: 1) == 0x5692_161d_100b_05e5)
        #expect(DistinctHash.of(integer: -1) == 0xb4d0_55fc_f2cb_bd7b)
        #expect(DistinctHash.of(integer: 0) != 0)
        let hash = Array("taxi".utf8).withUnsafeBufferPointer { DistinctHash.of(text: $0) }
        #expect(hash == 0xe96b_ae3a_59c6_78e5)
        #expect(Box([1, 64, 1 << 63]).text == "----------0---------0-7----------")
    }

    @Test func numbersAreTheSameHoweverTheyAreWritten() {
        func hash(_ mantissa: Int64, _ scale: Int) -> UInt64 {
            DistinctHash.of(decimal: PackedDecimal(mantissa: mantissa, scale: scale))
        }
        #expect(hash(15, 1) == hash(150, 2))
        #expect(hash(0, 0) == hash(0, 3))
        #expect(hash(-20, 1) == hash(-2, 0))
        #expect(Set([hash(15, 1), hash(15, 0), hash(15, 2), hash(-15, 1), hash(105, 2)]).count == 5)
    }
}
