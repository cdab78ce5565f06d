import TestSupport
import Basics
import Foundation
import FuzzSupport
import Testing

@testable import Workflow

/// Secrets in logs: however they are cut, escaped, quoted and encoded.
@Suite struct SecretMaskTests {
    private static let key = """
        -----BEGIN KEY-----
        MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEA+/q=
        it's "quoted" \\ back\tslash é 😀 50%+1 & <x>
        zz
        -----END KEY-----
        """

    /// Through a stream that is cut into pieces of `size` bytes.
    private func through(_ text: String, _ secrets: [String], size: Int) -> String {
        var stream = SecretStream(SecretMask(secrets))
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { stream.add($0) { result += $0 } }
        }
        stream.finish { result += $0 }
        return String(decoding: result, as: UTF8.self)
    }

    @Test(arguments: [1, 2, 3, 7, 19, 64, 1000])
    func aSecretOfSeveralLinesIsHiddenHoweverItIsCut(_ size: Int) {
        let key = Self.key
        #expect(through("a\(key)b", [key], size: size) == "a***b")
        #expect(through("<\(key)>\(key)", [key], size: size) == "<***>***")
        // Line by line, each behind something else; two letters alone are no secret.
        let lines = key.split(separator: "\n").map { "x> \($0) <x" }.joined(separator: "\n")
        #expect(
            through(lines, [key], size: size)
                == "x> *** <x\nx> *** <x\nx> *** <x\nx> zz <x\nx> *** <x")
        // As a shell prints it without quotes, and as fold cuts it.
        #expect(through(key.replacingOccurrences(of: "\n", with: " "), [key], size: size) == "***")
        let folded = stride(from: 0, to: key.count, by: 10).map { start in
            key.dropFirst(start).prefix(10).replacingOccurrences(of: "\n", with: "")
        }.joined(separator: "\n")
        #expect(through(folded, [key], size: size) == "***")
    }

    @Test func everyFormIsHidden() throws {
        let key = Self.key
        var forms: [String: String] = [:]
        forms["JSON of Foundation"] = String(
            decoding: try JSONSerialization.data(withJSONObject: key, options: .fragmentsAllowed), as: UTF8.self)
        forms["JSON in ASCII"] = key.utf16.map { unit in
            switch unit {
            case 0x0A: "\\n"
            case 0x09: "\\t"
            case 0x22: "\\\""
            case 0x5C: "\\\\"
            case 0x20..<0x7F: String(UnicodeScalar(UInt8(unit)))
            default: String(format: "\\u%04x", unit)
            }
        }.joined()
        forms["JSON for HTML"] = forms["JSON in ASCII"]?.replacingOccurrences(of: "<", with: "\\u003C")
        let unreserved = CharacterSet(
            charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
        let percent = key.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
        forms["percent"] = percent
        forms["percent in small letters"] = percent.replacingOccurrences(of: "%2F", with: "%2f")
            .replacingOccurrences(of: "%0A", with: "%0a")
        forms["form"] = percent.replacingOccurrences(of: "%20", with: "+")
        forms["URI"] = percent.replacingOccurrences(of: "%2B", with: "+").replacingOccurrences(of: "%27", with: "'")
        forms["every byte"] = key.utf8.map { String(format: "%%%02X", $0) }.joined()
        forms["shell"] = "'" + key.replacingOccurrences(of: "'", with: "'\\''") + "'"
        forms["shell of Python"] = "'" + key.replacingOccurrences(of: "'", with: "'\"'\"'") + "'"
        forms["printf %q"] = key.flatMap { " '\"\\&<>".contains($0) ? "\\\($0)" : "\($0)" }.map(String.init).joined()
        forms["C"] = key.utf8.map { byte in
            switch byte {
            case 0x0A: "\\n"
            case 0x5C: "\\\\"
            case 0x27: "\\'"
            case 0x20..<0x7F: String(UnicodeScalar(byte))
            default: "\\" + String(byte, radix: 8)
            }
        }.joined()
        forms["SQL"] = "'" + key.replacingOccurrences(of: "'", with: "''") + "'"
        forms["CSV"] = "\"" + key.replacingOccurrences(of: "\"", with: "\"\"") + "\""
        forms["HTML"] = key.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "'", with: "&#39;")
        for before in ["", "a", "ab"] {
            let data = Data((before + key + "tail").utf8)
            forms["base64 behind \(before.count)"] = data.base64EncodedString()
            forms["base64 in lines, behind \(before.count)"] = data.base64EncodedString(
                options: [.lineLength64Characters, .endLineWithLineFeed])
            forms["base64 of URLs, behind \(before.count)"] = data.base64EncodedString()
                .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
        }
        forms["basic authorization"] = "Authorization: Basic " + Data("user:\(key)".utf8).base64EncodedString()
        for (name, form) in forms {
            for size in [1, 5, 4096] {
                let masked = through("before \(form) after", [key], size: size)
                #expect(masked.hasPrefix("before ") && masked.hasSuffix(" after"), "\(name): \(masked)")
                #expect(masked.contains("***") && masked.utf8.count < 60, "\(name): \(masked)")
            }
        }
    }

    @Test func aPieceOf64KiBDoesNotLetASecretThrough() throws {
        let folder = try TemporaryFolder()
        for shift in [0, 1, 5, 9] {
            let log = try StepLog(path: folder("\(shift)"), secrets: ["opensesame"]) { "t" }
            var text =
                String(repeating: "x", count: (1 << 16) - shift) + "opensesame" + String(repeating: "y", count: 70_000)
            text.withUTF8 { log.add(UnsafeRawBufferPointer($0)) }
            log.end()
            let written = try String(contentsOfFile: folder("\(shift)"), encoding: .utf8)
            let letters = written.replacingOccurrences(of: "\nt ", with: "")
            #expect(letters.contains("x***y"), "\(shift)")
            #expect(!letters.contains("sesame") && !letters.contains("open"), "\(shift)")
        }
    }

    @Test func whatIsNoSecretStays() {
        let text = "opensesam %6fpen &op; \\u006 \\ % & plain\n"
        #expect(through(text, ["opensesame"], size: 3) == text)
        #expect(through("abab", ["ababc"], size: 1) == "abab")
        #expect(SecretMask(["x"]).masked("axb") == "a***b")
        #expect(SecretMask([]).masked("axb") == "axb")
        // Nothing shorter than four bytes is looked for in other forms.
        #expect(SecretMask(["ab\ncd"]).masked("ab and cd") == "ab and cd")
    }

    /// Against the plain search over whole texts.
    @Test(arguments: 0..<20) func findsWhatAPlainSearchFinds(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func word(_ count: Int) -> String {
            String((0..<count).map { _ in "ab\n".randomElement(using: &random) ?? "a" })
        }
        let secret = word(Int.random(in: 4...8, using: &random))
        let text = word(200)
        let masked = through(text, [secret], size: Int.random(in: 1...50, using: &random))
        #expect(!masked.contains(secret), "\(secret.debugDescription) in \(text.debugDescription)")
        if !text.replacingOccurrences(of: "\n", with: "").contains(secret.replacingOccurrences(of: "\n", with: "")),
            secret.split(separator: "\n").allSatisfy({ $0.count < 4 })
        {
            #expect(masked == text || text.contains(secret.replacingOccurrences(of: "\n", with: " ")))
        }
    }

    @Test func aLogKeepsItsBeginningAndItsEnd() throws {
        let folder = try TemporaryFolder()
        let log = try StepLog(path: folder("log"), secrets: []) { "t" }
        let line = String(repeating: "l", count: 1000)
        for number in 0..<20_000 { log.add(line: "\(number) \(line)") }
        log.end()
        let lines = try String(contentsOfFile: folder("log"), encoding: .utf8).split(separator: "\n")
        #expect(lines.reduce(0) { $0 + $1.utf8.count + 1 } < StepLog.headLimitBytes + StepLog.tailLimitBytes + 1000)
        #expect(lines[0].hasPrefix("t 0 ") && lines.last?.hasPrefix("t 19999 ") == true)
        let gap = try #require(lines.firstIndex { $0.contains("are left out here") })
        let numbers = lines.compactMap { Int($0.split(separator: " ")[1]) }
        let left = try #require(Int(lines[gap].split(separator: " ")[2]))
        #expect(numbers.count + left == 20_000)
        #expect(log.lastLine.hasPrefix("19999 "))
    }
}
