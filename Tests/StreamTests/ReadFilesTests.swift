import Problems
import Testing

@testable import Stream

@Suite struct ReadFilesTests {
    private func identity(_ files: [String], from: Int64 = 0, to: Int64 = 0) -> String {
        "files \(files.joined(separator: " ")) (clock start, spread none, seed 1, clean off, from \(from), to \(to), limit 0)"
    }

    private func refusal(_ files: [String], from: Int64 = 0, to: Int64 = 0, after earlier: [String]) -> String? {
        do throws(Problem) {
            try ReadFiles(identity: identity(files, from: from, to: to))?
                .requireNew(files, earlier: earlier, query: "q")
            return nil
        } catch {
            return error.message
        }
    }

    @Test func aFileIsReadOnceWhateverStandsBesideIt() {
        let (a, b, c) = ("a.csv:10:ff", "my b (clock .csv:20:0c", "c.csv:10:fe")
        #expect(refusal([a], after: []) == nil)
        #expect(refusal([a, b], after: [identity([a])])?.contains("\"a.csv\" was read for query q already") == true)
        #expect(refusal([b], after: [identity([a, b])])?.contains("my b (clock .csv") == true)
        #expect(refusal([c], after: [identity([a, b])]) == nil)
        // A link, a copy, another name: the same trips.
        #expect(
            refusal(["link.csv:10:ff"], after: [identity([a, b])])?.contains(
                "\"link.csv\" was read for query q already, as \"a.csv\"") == true)
        #expect(refusal([a, "link.csv:10:ff"], after: [])?.contains("\"link.csv\" is named twice") == true)
        #expect(refusal([a, b, a], after: [])?.contains("\"a.csv\" is named twice") == true)
        // A part of a name or hash is no file.
        #expect(refusal(["a.csv:10:f"], after: [identity([a])]) == nil)
        #expect(refusal([a], after: ["chicago_ingestData"]) == nil)
    }

    @Test func periodsOfAFileAreReadOneByOne() {
        let a = "a.csv:10:ff"
        #expect(refusal([a], from: 1000, to: 2000, after: [identity([a], from: 1, to: 1000)]) == nil)
        #expect(refusal([a], from: -500, to: 1000, after: [identity([a], from: 999, to: 5000)]) != nil)
        #expect(refusal([a], from: 1000, after: [identity([a], from: 1, to: 1000)]) == nil)
        #expect(refusal([a], after: [identity([a], from: 1, to: 1000)]) != nil)
    }
}
