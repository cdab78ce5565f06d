import TestSupport
import Datasets
import Foundation
import Testing

@Suite struct SampleTests {
    @Test func theRepositorysSampleIsWhatTheGeneratorMakes() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var stored = try FileProfile(path: root.appending(path: "data/sample.csv.gz").path)
        let folder = try TemporaryFolder()
        var made = try FileProfile(path: try folder.write(try generate(.sample).bytes, to: "sample.csv"))
        (stored.file, made.file) = ("sample", "sample")
        #expect(stored == made)
        #expect(stored.rows == 20_000 && stored.rejectedRows == 0 && stored.times.days == 61)
    }
}
