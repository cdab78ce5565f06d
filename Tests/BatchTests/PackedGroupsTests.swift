import Testing

@testable import Batch

@Suite struct PackedGroupsTests {
    private func singles(_ text: String) throws -> [[Int64]] {
        var groups: [[Int64]] = []
        var text = text
        try text.withUTF8 { try PackedGroups.forEach(in: UnsafeRawBufferPointer($0)) { groups.append([$0, $1]) } }
        return groups
    }

    private func triples(_ text: String) throws -> [[Int64]] {
        var groups: [[Int64]] = []
        var text = text
        try text.withUTF8 {
            try PackedGroups.forEachTriple(in: UnsafeRawBufferPointer($0)) { groups.append([$0, $1.0, $1.1, $1.2]) }
        }
        return groups
    }

    @Test func readsOneWordAGroup() throws {
        #expect(
            try singles(#"{"8":12,"32":1,"-5":-7,"0":999999999999999}"#) == [
                [8, 12], [32, 1], [-5, -7], [0, 999_999_999_999_999],
            ])
        #expect(try singles("{}").isEmpty)
    }

    @Test func readsThreeWordsAGroup() throws {
        #expect(try triples(#"{"57":[40,61234,40],"-2":[1,-350,1]}"#) == [[57, 40, 61234, 40], [-2, 1, -350, 1]])
    }

    @Test(arguments: [
        ("", 0), ("{", 1), (#"{"8":12"#, 7), (#"{"8":12}x"#, 8), (#"{"8":12,}"#, 8), (#"{"8": 12}"#, 5),
        (#"{8:12}"#, 1),
        (#"{"8":[1]}"#, 5), (#"{"8":1.5}"#, 6), (#"{"8":null}"#, 5), (#"{"":1}"#, 2),
        (#"{"8":12345678901234567890}"#, 5),
        (#"{"8":-}"#, 6), ("[]", 0),
    ])
    func pointsAtWhatIsNotPackedGroups(text: String, offset: Int) throws {
        let error = try #require(throws: PackedGroups.Malformed.self) { try singles(text) }
        #expect(error.offset == offset)
    }

    @Test(arguments: [#"{"8":[1,2]}"#, #"{"8":[1,2,3,4]}"#, #"{"8":1}"#, #"{"8":[]}"#])
    func refusesAnotherNumberOfWords(text: String) {
        #expect(throws: PackedGroups.Malformed.self) { try triples(text) }
    }
}
