import Foundation
import Glibc
import Testing

@testable import Problems

struct FileNameTests {
    /// A name of these bytes comes back to the byte, whatever they are.
    @Test(
        arguments: [
            Array("plain.csv".utf8), Array("日本 é 🚕".utf8), [0x63, 0x61, 0x66, 0xE9], [0xFF], [0x80, 0x80], [0xC3],
            [0xE2, 0x82], [0xF0, 0x9F, 0x9A], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFE, 0x41],
            // U+10FFE9, which stands for the byte E9, as a name's own character.
            [0xF4, 0x8F, 0xBF, 0xA9], [0xF4, 0x80, 0x80, 0x80], [0x1B, 0x5B, 0x32, 0x4A, 0x0A],
        ] as [[UInt8]])
    func `a name keeps its bytes`(bytes: [UInt8]) {
        let name = (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { String(fileName: $0.baseAddress!) }
        }
        let back = name.withFileName { pointer in (0..<strlen(pointer)).map { UInt8(bitPattern: pointer[$0]) } }
        #expect(back == bytes)
    }

    @Test func `any bytes make a name that comes back`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 1...12)).map { _ in UInt8.random(in: 1...255, using: &random) }
            `a name keeps its bytes`(bytes: bytes)
        }
    }

    @Test func `files of such names open, are listed and go away`() throws {
        let folder = NSTemporaryDirectory() + "/names-\(UUID().uuidString)"
        try Files.makeFolders(folder)
        let name = [CChar(bitPattern: 0xE9), 0x0A, 0x78, 0].withUnsafeBufferPointer {
            String(fileName: $0.baseAddress!)
        }
        let path = "\(folder)/\(name)"
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        try Files.write(Array("text".utf8), to: file, of: path)
        close(file)
        #expect(Files.names(in: folder) == [name])
        #expect(try Files.contents(of: path) == Array("text".utf8))
        #expect(visible(name) == "\\xe9\\nx")
        try Files.remove(folder)
        #expect(!Files.exists(folder))
    }
}

struct VisibleTextTests {
    @Test(
        arguments: [
            ("plain, é, 日本, 🚕\tand tab", "plain, é, 日本, 🚕\tand tab"), ("a\u{1B}[2Jb", "a\\u001b[2Jb"),
            ("\u{7}\u{8}\u{0}", "\\u0007\\u0008\\u0000"),
            ("\u{7F}", "\\u007f"), ("\u{9B}31m\u{85}", "\\u009b31m\\u0085"),
            ("\u{202E}abc\u{2066}", "\\u202eabc\\u2066"),
            ("one\ntwo", "one\\ntwo"), ("over\rwritten", "over\\u000dwritten"), ("\u{10FFE9}", "\\xe9"),
            ("e\u{301}", "e\u{301}"),
        ] as [(String, String)])
    func `what acts upon a terminal becomes an escape`(text: String, shown: String) {
        #expect(visible(text) == shown)
        // What is shown is shown as it is.
        #expect(visible(shown) == shown)
    }

    @Test func `line breaks stay where lines are meant`() {
        #expect(visible("a\r\nb\nc\rd", lines: true) == "a\r\nb\nc\\u000dd")
    }

    @Test(
        arguments: [
            ([0xFF, 0x41], "\\xffA", 0), ([0xC0, 0x80], "\\xc0\\x80", 0), ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80", 0),
            ([0x41, 0xE2, 0x82], "A", 2), ([0x41, 0xF0, 0x9F, 0x9A], "A", 3), ([0xE2, 0x82, 0x41], "\\xe2\\x82A", 0),
            ([0x41, 0x0D], "A", 1),
        ] as [([UInt8], String, Int)])
    func `bytes that are no UTF-8 are shown, unfinished ones wait`(bytes: [UInt8], shown: String, waiting: Int) {
        var output: [UInt8] = []
        let used = bytes.withUnsafeBufferPointer { VisibleText.append($0, to: &output, lines: true) }
        #expect(String(decoding: output, as: UTF8.self) == shown)
        #expect(bytes.count - used == waiting)
    }

    @Test func `only colours of ours are obeyed`() {
        func styled(_ text: String) -> String {
            var output: [UInt8] = []
            var text = text
            text.withUTF8 { _ = VisibleText.append($0, to: &output, lines: true, styles: true) }
            return String(decoding: output, as: UTF8.self)
        }
        let escape = String(VisibleText.escape)
        #expect(styled("\(escape)[31mred\(escape)[0m") == "\u{1B}[31mred\u{1B}[0m")
        #expect(styled("\(escape)[2J") == "\\ufdd0[2J")
        #expect(styled("\(escape)]0;title\u{7}") == "\\ufdd0]0;title\\u0007")
        #expect(visible("\(escape)[31m") == "\\ufdd0[31m")
    }

    @Test func `a problem is one line of its own, with the caret where the fault is shown`() {
        let problem = Problem(
            .badData, "column \"a\nerror: b\" is missing",
            at: InputLocation(file: "x\u{1B}[2J.csv", line: 3, column: 6), hint: "Rename it.",
            sourceLine: "\u{1B}é\tb,c")
        #expect(
            "\(problem)" == """
                x\\u001b[2J.csv:3:6: error: column "a\\nerror: b" is missing
                3 | \\u001bé\tb,c
                  |        \t ^
                hint: Rename it.
                """)
    }
}

struct FileProblemTests {
    @Test(
        arguments: [
            (EACCES, .noPermission, .noPermission, .noPermission), (EPERM, .noPermission, .noPermission, .noPermission),
            (EROFS, .noPermission, .noPermission, .noPermission), (ENOENT, .noInput, .cannotCreate, .inputOutput),
            (ENOTDIR, .noInput, .cannotCreate, .inputOutput), (EISDIR, .noInput, .cannotCreate, .inputOutput),
            (ENAMETOOLONG, .noInput, .cannotCreate, .inputOutput), (ELOOP, .noInput, .cannotCreate, .inputOutput),
            (EEXIST, .noInput, .cannotCreate, .inputOutput), (EIO, .inputOutput, .inputOutput, .inputOutput),
            (ENOSPC, .inputOutput, .inputOutput, .inputOutput), (EDQUOT, .inputOutput, .inputOutput, .inputOutput),
            (EFBIG, .inputOutput, .inputOutput, .inputOutput), (EBADF, .inputOutput, .inputOutput, .inputOutput),
            (EMFILE, .tryAgain, .tryAgain, .tryAgain), (EAGAIN, .tryAgain, .tryAgain, .tryAgain),
        ] as [(Int32, Problem.Code, Problem.Code, Problem.Code)])
    func `the exit code follows the cause`(number: Int32, read: Problem.Code, create: Problem.Code, write: Problem.Code)
    {
        #expect(Problem(.read, "x", number).code == read)
        #expect(Problem(.create, "x", number).code == create)
        #expect(Problem(.write, "x", number).code == write)
    }

    @Test func `a message names the file and the cause`() {
        #expect(Problem(.read, "a\u{1B}", ENOENT).message == "there is no file \"a\\u001b\"")
        #expect(Problem(.create, "a", EACCES, hint: "Go.").message == "cannot create \"a\": permission denied")
        #expect(Problem(.create, "a", EACCES, hint: "Go.").hint == "Go.")
        #expect(Problem(.write, "a", ENOSPC, hint: "Go.").hint?.contains("Make room") == true)
    }
}
