import Foundation
import Glibc
import Problems
import Synchronization
import Testing

@testable import CommandLine

struct TableTests {
    private let table = Table(
        columns: [
            Column("name"), Column("trips", .right), Column("fare", .right), Column("share", .right), Column("ok"),
        ],
        rows: [
            ["Loop, \"the\"\nheart", .count(1_234_567), .cents(-123_456), .share(0.1234), .bool(true)],
            ["Ärger\u{1B}[31m", .integer(7), .null, .real(2.345, decimals: 1), .bool(false)],
        ])

    private func text(_ format: OutputFormat) throws -> String {
        let writer = TextWriter.inMemory()
        try table.write(as: format, to: writer)
        return writer.text
    }

    @Test func `columns that may be left out are, and ids keep their ends`() {
        let table = Table(
            columns: [
                Column("run_id", keepsEnd: true), Column("started", mayBeLeftOut: true), Column("rows", .right),
                Column("ended", mayBeLeftOut: true),
            ],
            rows: [[.text("20261129T030000"), .text("2026-11-29"), .integer(12), .text("2026-11-30")]])
        #expect(table.text(width: 80).split(separator: "\n")[0] == "run_id           started     rows  ended")
        #expect(table.text(width: 40).split(separator: "\n")[0] == "run_id           started     rows")
        #expect(table.text(width: 16) == "run_id      rows\n…T030000      12\n" || table.text(width: 16).contains("…"))
        #expect(!table.text(width: 16).contains("started"))
        #expect(table.text(width: 16).contains("30000"))
    }

    @Test func `a table is aligned and holds no control characters`() throws {
        #expect(
            try text(.table) == """
                name                   trips       fare  share  ok
                Loop, "the" heart  1,234,567  -1,234.56  12.3%  yes
                Ärger␛[31m                 7               2.3  no

                """)
    }

    @Test func `JSON is valid, in the order of the columns, and exact`() throws {
        let lines = try text(.jsonl)
        #expect(
            lines == """
                {"name":"Loop, \\"the\\"\\nheart","trips":1234567,"fare":-1234.56,"share":0.1234,"ok":true}
                {"name":"Ärger\\u001b[31m","trips":7,"fare":null,"share":2.345,"ok":false}

                """)
        let array = try JSONSerialization.jsonObject(with: Data(try text(.json).utf8)) as? [[String: Any]]
        #expect(array?.count == 2)
        #expect(array?[0]["name"] as? String == "Loop, \"the\"\nheart")
        #expect(array?[1]["name"] as? String == "Ärger\u{1B}[31m")
    }

    @Test func `CSV quotes as RFC 4180 says`() throws {
        #expect(
            try text(.csv)
                == "name,trips,fare,share,ok\r\n\"Loop, \"\"the\"\"\nheart\",1234567,-1234.56,0.1234,true\r\nÄrger\u{1B}[31m,7,,2.345,false\r\n"
        )
    }

    /// A quote that carries an accent is one character with it, and still ends a field for whoever reads bytes.
    @Test(
        arguments: [
            ("\"\u{301}x", "\"\"\"\u{301}x\""), ("a\rb", "\"a\rb\""), ("a\r\nb", "\"a\r\nb\""), ("a\0b", "a\0b"),
            (",", "\",\""),
            // A spreadsheet computes what looks like a formula; numbers, signs alone and what only has one within do not.
            ("=1+1", "'=1+1"), ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"), ("\r=1", "\"'\r=1\""), ("=\"a\"", "\"'=\"\"a\"\"\""), ("-12.50", "-12.50"),
            ("-1e-7", "-1e-7"),
            ("-", "-"), ("a=1", "a=1"), ("-e", "'-e"),
        ] as [(String, String)])
    func `every field of CSV comes back`(text: String, field: String) throws {
        let writer = TextWriter.inMemory()
        try Table(columns: [Column("a")], rows: [[.text(text)]]).write(as: .csv, to: writer)
        #expect(writer.text == "a\r\n\(field)\r\n")
    }

    @Test func `a terminal gets none of the data's control characters in any format`() throws {
        let hostile = "a\u{1B}[2Jb\u{9B}31m\u{202E}c\u{7F}\u{8}\rd\0e"
        for format in OutputFormat.allCases {
            let writer = TextWriter.inMemory(isForPeople: true)
            try Table(columns: [Column("\u{1B}x")], rows: [[.text(hostile)]]).write(
                as: format, to: writer, style: Style(isEnabled: true))
            let text = writer.text.replacingOccurrences(of: "\u{1B}[1m", with: "").replacingOccurrences(
                of: "\u{1B}[0m", with: ""
            )
            .replacingOccurrences(of: "\r\n", with: "\n")
            for scalar in text.unicodeScalars {
                #expect(scalar == "\n" || scalar.properties.generalCategory != .control, "\(format): \(scalar.value)")
                #expect(!(0x202A...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value))
            }
            if format == .json {
                let rows = try JSONSerialization.jsonObject(with: Data(writer.text.utf8)) as? [[String: String]]
                #expect(rows == [["\u{1B}x": hostile]])
            }
        }
    }

    @Test func `an empty table is still valid`() throws {
        let empty = Table(columns: [Column("a")])
        for (format, expected) in [(OutputFormat.table, "a\n"), (.json, "[]\n"), (.jsonl, ""), (.csv, "a\r\n")] {
            let writer = TextWriter.inMemory()
            try empty.write(as: format, to: writer)
            #expect(writer.text == expected)
        }
    }

    @Test(arguments: [200, 80, 60, 45])
    func `a table fits the terminal by cutting text, never numbers`(width: Int) {
        let wide = Table(
            columns: [Column("a"), Column("n", .right), Column("b")],
            rows: [
                [
                    .text(String(repeating: "x", count: 70)), .integer(123_456_789_012),
                    .text(String(repeating: "日本", count: 20)),
                ]
            ])
        for line in wide.text(width: width).split(separator: "\n") { #expect(displayWidth(of: line) <= width) }
        #expect(wide.text(width: width).contains("123456789012"))
        #expect(wide.text(width: width).contains("…") == (width < 165))
    }

    @Test func `a table that cannot fit stays too wide rather than wrong`() {
        let table = Table(columns: [Column("n", .right)], rows: [[.integer(1_234_567_890)]])
        #expect(table.text(width: 4).contains("1234567890"))
    }
}

struct JSONTextTests {
    @Test func `JSON numbers are exact or null`() {
        #expect(JSONText.number(.infinity) == "null")
        #expect(JSONText.number(3) == "3")
        #expect(JSONText.number(0.1) == "0.1")
        #expect(Double(JSONText.number(1.2345678901234567e-7)) == 1.2345678901234567e-7)
    }
}

struct TextTests {
    @Test func `width counts columns, not bytes`() {
        #expect(displayWidth(of: "abc") == 3)
        #expect(displayWidth(of: "é") == 1)
        #expect(displayWidth(of: "e\u{301}") == 1)
        #expect(displayWidth(of: "東京") == 4)
        #expect(displayWidth(of: "🚕") == 2)
        #expect(displayWidth(of: "✅⏳⭐") == 6)
        #expect(displayWidth(of: "🇺🇸") == 2)
        #expect(displayWidth(of: "👩‍👩‍👧") == 2)
        #expect(displayWidth(of: "한") == 2)
        #expect(displayWidth(of: "a\u{200B}b\u{AD}") == 2)
        #expect(displayWidth(of: "日\u{301}") == 2)
        #expect(truncated("東京タワー", toWidth: 6) == "東京…")
        #expect(truncated("abc", toWidth: 3) == "abc")
        #expect(truncated("abcd", toWidth: 3) == "ab…")
        #expect(truncated("abcd", toWidth: 0) == "")
        #expect(truncated("20261129T0300", toWidth: 6, keepingEnd: true) == "…T0300")
    }

    @Test func `text breaks at blanks and long words stand alone`() {
        #expect(wrapped("a bc def ghij", width: 4) == ["a bc", "def", "ghij"])
        #expect(wrapped("incomprehensible to me", width: 5) == ["incomprehensible", "to me"])
        #expect(wrapped("one\n\ntwo", width: 9) == ["one", "", "two"])
        #expect(wrapped("", width: 9) == [""])
    }

    @Test func `a line that is too wide goes on under its first value`() {
        #expect(brokenLine("  companies   Flash Cab; Sun Taxi", width: nil) == ["  companies   Flash Cab; Sun Taxi"])
        #expect(
            brokenLine("  pickups     Loop 20 %; Lake View 3 %; Uptown", width: 34)
                == ["  pickups     Loop 20 %; Lake View", "              3 %; Uptown"])
        #expect(brokenLine("  a  Loop 20 %", width: 13) == ["  a  Loop", "     20 %"])
        #expect(brokenLine("  - a sentence of words", width: 16) == ["  - a sentence", "    of words"])
        // No room behind the label: left as it is rather than a word a line.
        #expect(brokenLine("  companies   Flash Cab", width: 20) == ["  companies   Flash Cab"])
    }

    @Test func `sparklines span least to greatest and leave gaps`() {
        #expect(Charts.sparkline([0, 1, 2, 3, 4, 5, 6, 7], width: 20) == "▁▂▃▄▅▆▇█")
        #expect(Charts.sparkline([1, nil, 2], width: 20) == "▁ █")
        #expect(Charts.sparkline([5, 5], width: 20) == "▄▄")
        #expect(Charts.sparkline([], width: 20) == "")
        #expect(Charts.sparkline([.nan, .infinity], width: 20) == "  ")
        #expect(Charts.sparkline((0..<1000).map(Double.init), width: 8) == "▁▂▃▄▅▆▇█")
    }

    @Test func `bars count in eighths and stay inside their width`() {
        #expect(Charts.bar(0.5, width: 4) == "██")
        #expect(Charts.bar(1.0 / 16, width: 2) == "▏")
        #expect(Charts.bar(7, width: 3) == "███")
        #expect(Charts.bar(-1, width: 3) == "")
        #expect(Charts.bar(.nan, width: 3) == "")
    }
}

struct StreamTests {
    @Test func `a closed pipe is told apart from other failures`() throws {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        close(ends[0])
        defer { close(ends[1]) }
        let writer = TextWriter(descriptor: ends[1], capacityBytes: 8)
        try writer.write("short")
        #expect(throws: ClosedPipe.self) { try writer.write("long enough to go out") }
        // What was lost is not tried again.
        try writer.flush()
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        let problem = #expect(throws: Problem.self) { try TextWriter(descriptor: full, capacityBytes: 0).write("x") }
        #expect(problem?.code == .inputOutput)
    }

    @Test func `a character that comes in pieces is put together, and what is none is shown`() throws {
        let writer = TextWriter.inMemory(isForPeople: true)
        for byte in Array("é日🚕\u{9B}".utf8) { try withUnsafeBytes(of: byte) { try writer.write($0) } }
        #expect(writer.text == "é日🚕\\u009b")
        try withUnsafeBytes(of: UInt8(0xE2)) { try writer.write($0) }
        try writer.flush()
        #expect(writer.text == "é日🚕\\u009b\\xe2")
        // Into a pipe every byte goes as it is.
        let pipe = TextWriter.inMemory()
        try pipe.write("\u{1B}[2J\u{9B}")
        #expect(pipe.text == "\u{1B}[2J\u{9B}")
    }

    @Test func `a writer waits for a slow reader`() throws {
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let size = 300_000
        let received = Mutex(0)
        let reader = Thread { [end = ends[0]] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while received.withLock({ $0 }) < size {
                let count = read(end, &buffer, buffer.count)
                if count > 0 { received.withLock { $0 += count } }
            }
        }
        reader.start()
        let writer = TextWriter(descriptor: ends[1])
        try writer.write(String(repeating: "x", count: size))
        try writer.flush()
        while received.withLock({ $0 }) < size { sched_yield() }
        #expect(received.withLock { $0 } == size)
        close(ends[0])
        close(ends[1])
    }

    @Test func `progress is rewritten ten times a second at most and only on a terminal`() {
        let clock = Atomic<Int64>(0)
        let writer = TextWriter.inMemory()
        let line = ProgressLine(
            terminal: Terminal(errorIsTerminal: true, width: 10), isQuiet: false, to: writer,
            nowMs: { clock.load(ordering: .relaxed) }, isForeground: { true })
        for ms in Int64(0)..<250 {
            clock.store(ms, ordering: .relaxed)
            line.update { "at \(ms) of many" }
        }
        line.clear()
        line.clear()
        #expect(writer.text == "\rat 0 of …\u{1B}[K\rat 100 o…\u{1B}[K\rat 200 o…\u{1B}[K\r\u{1B}[K")
        for quiet in [Terminal(), Terminal(errorIsTerminal: true)] {
            let silent = TextWriter.inMemory()
            let line = ProgressLine(terminal: quiet, isQuiet: quiet.errorIsTerminal, to: silent) { 0 }
            line.update { "never asked for" }
            line.clear()
            #expect(silent.text.isEmpty)
        }
    }

    @Test func `a job in the background draws no progress line`() {
        let isForeground = Atomic<Bool>(false)
        let writer = TextWriter.inMemory()
        let line = ProgressLine(
            terminal: Terminal(errorIsTerminal: true, width: 20), isQuiet: false, to: writer, nowMs: { 0 },
            isForeground: { isForeground.load(ordering: .relaxed) })
        line.update { "over what somebody types" }
        line.clear()
        #expect(writer.text == "")
        isForeground.store(true, ordering: .relaxed)
        line.clear()
        #expect(writer.text == "")
    }

    @Test func `the terminal obeys NO_COLOR, TERM and COLUMNS`() {
        #expect(Terminal.current(environment: [:]).allowsColor)
        #expect(!Terminal.current(environment: ["NO_COLOR": "0"]).allowsColor)
        #expect(Terminal.current(environment: ["NO_COLOR": ""]).allowsColor)
        #expect(!Terminal.current(environment: ["TERM": "dumb"]).allowsColor)
        #expect(Terminal.current(environment: ["COLUMNS": "33"]).width == 33)
        #expect(!Terminal(allowsColor: true).outputStyle.isEnabled)
    }
}

/// Signals go to the process: the threads that run tests have them blocked.
@Suite(.serialized)
struct InterruptionTests {
    @Test(.timeLimit(.minutes(1)))
    func `the first signal asks, user signals are counted`() {
        Interruption.reset()
        Interruption.install()
        #expect(!Interruption.isRequested)
        for count in 1...2 {
            kill(getpid(), SIGUSR1)
            while Interruption.userSignalCount < count { sched_yield() }
        }
        #expect(!Interruption.isRequested)
        kill(getpid(), SIGINT)
        while !Interruption.isRequested { sched_yield() }
        Interruption.reset()
        #expect(!Interruption.isRequested)
        Interruption.request()
        #expect(Interruption.isRequested)
        Interruption.reset()
    }

    @Test(.timeLimit(.minutes(1)))
    func `the second signal ends the process with 130`() async {
        await #expect(processExitsWith: .exitCode(130)) {
            Interruption.install()
            kill(getpid(), SIGTERM)
            while !Interruption.isRequested { sched_yield() }
            kill(getpid(), SIGINT)
            while true { sched_yield() }
        }
    }
}
