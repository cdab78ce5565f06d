import Basics
import Foundation
import Testing

@Suite struct TextEscapesTests {
    @Test func jsonIsReadAsTheSameText() throws {
        let text = "a \"b\" \\ \n\r\t\u{0}\u{1f}\u{7f} é \u{2028} 🚕 \"\u{301}"
        let json = jsonString(text)
        #expect(try JSONDecoder().decode([String].self, from: Data("[\(json)]".utf8)) == [text])
        #expect(jsonString("\n\u{1}") == #""\n\u0001""#)
        #expect(jsonString("<\u{2028}") { $0 == "<" || $0 == "\u{2028}" } == #""\u003c\u2028""#)
    }

    @Test func sqlDoublesItsQuotes() {
        #expect(SQLText.name("a\"b'c") == "\"a\"\"b'c\"")
        #expect(SQLText.literal("a\"b'c") == "'a\"b''c'")
        // One character with its accent, two scalars: the quote ends the text for SQL.
        #expect(Array(SQLText.literal("'\u{301}").utf8) == Array("'''\u{301}'".utf8))
    }

    @Test func urlsHaveTheirOwnEscapes() {
        #expect(percentEncoded("a-._~/ü +%".utf8) == "a-._~%2F%C3%BC%20%2B%25")
        #expect(percentEncoded("a/b c".utf8, keeping: "/") == "a/b%20c")
        #expect(percentEncoded([0xff, 0x0a]) == "%FF%0A")
    }

    @Test func hexadecimalDigitsAreFilledUp() {
        #expect(hexadecimal(UInt8(10), digits: 2) == "0a")
        #expect(hexadecimal(UInt32(0x1f600), digits: 4) == "1f600")
    }
}
