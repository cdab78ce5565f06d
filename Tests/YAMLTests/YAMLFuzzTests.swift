import Basics
import FuzzSupport
import Problems
import Testing

@testable import YAML

/// Whatever bytes come, the reader gives a value or a problem with a place, soon.
@Suite struct YAMLFuzzTests {
    static let texts = [
        "name: w\nsteps:\n  a: {sh: 'it''s', env: {K: \"\\u00e9\\n\"}}\n  b: &x [1, 2, *x]\nlist:\n- a\n- - b\n  - c: d\n",
        "text: |\n  one\n   two\n\n  three\nfold: >-\n  a b\n  c\n\n  d\nanchor: &a {k: v}\nalias: *a\n",
        "queries:\n  - {name: q, aggregates: {p: quantile(fare, 0.9), n: count(*)}}\n# comment\n? complex\n: value\n",
        "a: \"x\\\n  y\"\nb: !!str 5\nc: ~\nd: 'é😀'\n---\n...\n", "[[[[{a: [b, {c: d}]}]]]]", "",
        "é: ü\r\nb: \u{85}c\u{2028}d\n",
    ]

    @Test(arguments: FuzzSeeds.all) func aValueOrAProblem(_ seed: UInt64) {
        var mutator = TextMutator(
            seed: seed, texts: Self.texts, words: ["&x", "*x", "<<", "--- ", "...", "%YAML 1.1\n", "|2-\n"])
        for number in 0..<FuzzSeeds.inputs {
            let text = mutator.next()
            do throws(Problem) {
                let root = try YAMLNode.parse(text, file: "f", callsHoldCommas: number % 2 == 0)
                if let fault = fault(in: root, of: text) { Issue.record("seed \(seed), input \(number): \(fault)") }
            } catch {
                let fault = FuzzSupport.fault(in: error, of: text)
                #expect(fault == nil, "seed \(seed), input \(number): \(fault ?? "") in \(error)")
            }
        }
    }

    /// What was made is what is read: random values, written in flow style, each scalar in double quotes.
    @Test(arguments: FuzzSeeds.all) func readsWhatWasWritten(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<FuzzSeeds.inputs {
            let value = Value.random(depth: 4, &random)
            let node = try YAMLNode.parse(value.text, file: "f")
            #expect(Value(node) == value, "\(value.text)")
        }
    }

    private indirect enum Value: Equatable {
        case scalar(String)
        case list([Value])
        case mapping([String], [Value])

        init(_ node: YAMLNode) {
            switch node.content {
            case .scalar(let text): self = .scalar(text)
            case .sequence(let items): self = .list(items.map(Value.init))
            case .mapping(let entries): self = .mapping(entries.map(\.name), entries.map { Value($0.value) })
            }
        }

        static func random(depth: Int, _ random: inout SplitMix64) -> Value {
            func word() -> String {
                String(
                    (0..<Int.random(in: 0...6, using: &random)).map { _ in
                        "ab:, {}[]\"'\\\n\té😀#&*!|>%@`-?\u{7F}\u{2028}".randomElement(using: &random) ?? "a"
                    })
            }
            let count = Int.random(in: 0...4, using: &random)
            switch depth == 0 ? 0 : Int.random(in: 0..<4, using: &random) {
            case 0, 1: return .scalar(word())
            case 2: return .list((0..<count).map { _ in .random(depth: depth - 1, &random) })
            default:
                let names = Array(Set((0..<count).map { _ in word() }))
                return .mapping(names, names.map { _ in .random(depth: depth - 1, &random) })
            }
        }

        var text: String {
            switch self {
            case .scalar(let text): Self.quoted(text)
            case .list(let items): "[\(items.map(\.text).joined(separator: ", "))]"
            case .mapping(let names, let values):
                "{\(zip(names, values).map { "\(Self.quoted($0)): \($1.text)" }.joined(separator: ", "))}"
            }
        }

        private static func quoted(_ text: String) -> String {
            let escaped = text.unicodeScalars.map { scalar in
                switch scalar {
                case "\"", "\\": "\\\(scalar)"
                case "\n": "\\n"
                case "\t": "\\t"
                case let other where other.value < 32 || other.value == 0x7F || other.value == 0x2028:
                    "\\u" + String(repeating: "0", count: 4 - String(other.value, radix: 16).count)
                        + String(other.value, radix: 16)
                default: String(scalar)
                }
            }
            return "\"\(escaped.joined())\""
        }
    }

    @Test(arguments: FuzzSeeds.all) func lengthsOfTime(_ seed: UInt64) {
        var mutator = TextMutator(
            seed: seed, texts: ["7d1h30m5s250ms", "1h", "90m", "0s", "1d24h"],
            words: ["d", "h", "m", "s", "ms", "1", "9"])
        for _ in 0..<FuzzSeeds.inputs {
            let text = String(decoding: mutator.next(), as: UTF8.self)
            guard let ms = parseDurationMs(text) else { continue }
            #expect(ms >= 0 && parseDurationMs(durationText(ms: ms)) == ms, "\(text)")
        }
        for _ in 0..<FuzzSeeds.inputs {
            let ms = Int64.random(in: 0...Int64.max, using: &mutator.random)
            #expect(parseDurationMs(durationText(ms: ms)) == ms)
        }
    }
}
