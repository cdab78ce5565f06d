package import Basics
import Foundation
package import Problems
package import YAML

/// How long a fuzzing test goes on: TAXI_FUZZ_SEEDS (how many seeds, 8 unless set), TAXI_FUZZ_FIRST (the first one).
package enum FuzzSeeds {
    package static let all: Range<UInt64> = {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["TAXI_FUZZ_FIRST"].flatMap(UInt64.init) ?? 0
        return first..<first + (environment["TAXI_FUZZ_SEEDS"].flatMap(UInt64.init) ?? 8)
    }()
    /// Inputs of a seed.
    package static let inputs = 200
}

/// Makes texts that are nearly right out of texts that are.
package struct TextMutator {
    package var random: SplitMix64
    private let texts: [[UInt8]]
    private let words: [[UInt8]]

    /// - Parameter words: what the reader knows, and what it should not fall over.
    package init(seed: UInt64, texts: [String], words: [String]) {
        random = SplitMix64(seed: seed)
        self.texts = texts.map { Array($0.utf8) }
        self.words = (words + Self.common).map { Array($0.utf8) }
    }

    private static let common = [
        "9223372036854775807", "-9223372036854775808", "99999999999999999999", "0", "-1", "1e999", "NaN", "é", "😀",
        "\u{FEFF}", "\0",
        "\r", "\n", "\t", "\"", "'", "{", "}", "[", "]", ": ", ", ", "- ", "#", "&a ", "*a", "!!str ", "|", ">", "?",
        "%", "\\", "\u{85}",
        "\u{2028}", "{{", "}}", "..", "/", "(", ")", "<", "=", " ", "~", "null", "true",
    ]

    package mutating func next() -> [UInt8] {
        var text = texts.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...5, using: &random) { change(&text) }
        return text
    }

    private mutating func change(_ text: inout [UInt8]) {
        let place = Int.random(in: 0...text.count, using: &random)
        let end = min(text.count, place + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0..<9, using: &random) {
        case 0: text.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 1: text.removeSubrange(place..<end)
        case 2: text.insert(contentsOf: text[place..<end], at: place)
        case 3: text.replaceSubrange(place..<end, with: words.randomElement(using: &random) ?? [])
        case 4: text.removeSubrange(place...)
        case 5 where place < text.count: text[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 6:
            let other = texts.randomElement(using: &random) ?? []
            let start = Int.random(in: 0...other.count, using: &random)
            text.insert(contentsOf: other[start..<min(other.count, start + 40)], at: place)
        case 7:
            let word = words.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 2...40, using: &random) { text.insert(contentsOf: word, at: place) }
        default: text.insert(contentsOf: words.randomElement(using: &random) ?? [], at: place)
        }
    }
}

/// What is wrong with a problem that a reader of a file gave; nil where it is as a person needs it: with words, a place in the file
/// and no more than can be read.
package func fault(in problem: Problem, of text: [UInt8]) -> String? {
    let lines = text.count { $0 == 0x0A || $0 == 0x0D || $0 == 0x85 || $0 == 0xA8 || $0 == 0xA9 } + 1
    for problem in [problem] + problem.others {
        if problem.message.isEmpty { return "no message" }
        if let place = problem.location,
            !(1...lines).contains(place.line) || !(1...text.count + 1).contains(place.column)
        {
            return "no such place: \(place)"
        }
        if let line = problem.sourceLine, line.utf8.count > 1000 { return "a line of \(line.utf8.count) bytes" }
    }
    return problem.others.count > 100 ? "\(problem.others.count) problems" : nil
}

/// Where the place of a value, or of a byte of a scalar's text, lies outside the file; nil where none does.
package func fault(in node: YAMLNode, of text: [UInt8]) -> String? {
    let place = node.location
    guard place.line >= 1, (1...text.count + 1).contains(place.column) else { return "no such place: \(place)" }
    switch node.content {
    case .scalar(let scalar):
        for offset in 0...min(scalar.utf8.count, 50) {
            if let fault = fault(in: node.problem("x", atByteOfText: offset), of: text) { return fault }
        }
        return nil
    case .sequence(let items): return items.lazy.compactMap { fault(in: $0, of: text) }.first
    case .mapping(let entries):
        return entries.lazy.compactMap { fault(in: $0.key, of: text) ?? fault(in: $0.value, of: text) }.first
    }
}
