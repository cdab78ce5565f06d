import Foundation
import FuzzSupport
import Problems
import Testing

@testable import CommandLine

/// taxi.yaml that is nearly right.
@Suite struct ConfigurationFuzzTests {
    private static let texts = [
        "# ours\nproduce:\n  rate: 3/s\nzone: America/Chicago\nstream:\n  query: [x, y]\n",
        "broker: a:9092,b:9092\nworkflow: {keep-logs: 30d}\n",
    ]

    @Test(arguments: FuzzSeeds.all) func settingsOrAProblem(_ seed: UInt64) throws {
        var mutator = TextMutator(seed: seed, texts: Self.texts, words: ["produce: ", "rate: ", "- ", "zone: "])
        let path = NSTemporaryDirectory() + "taxi-fuzz-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for number in 0..<FuzzSeeds.inputs {
            let text = mutator.next()
            try Data(text).write(to: URL(fileURLWithPath: path))
            do throws(Problem) {
                let configuration = try Configuration.load(path: path)
                #expect(configuration != nil)
            } catch {
                let fault = fault(in: error, of: text)
                #expect(fault == nil, "seed \(seed), input \(number): \(fault ?? "") in \(error)")
            }
        }
    }
}
