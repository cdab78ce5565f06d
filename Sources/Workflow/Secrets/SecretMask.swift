internal import Foundation

/// What has to stay out of logs, messages and outputs.
struct SecretMask: Sendable {
    private(set) var secrets: [String]
    fileprivate let automaton: ByteAutomaton

    init(_ secrets: [String] = []) {
        self.secrets = Array(Set(secrets)).filter { !$0.isEmpty }.sorted()
        automaton = ByteAutomaton(SecretForms.patterns(of: self.secrets))
    }

    var isEmpty: Bool { automaton.isEmpty }

    /// The text with `***` for each secret in it.
    func masked(_ text: String) -> String {
        if isEmpty { return text }
        var stream = SecretStream(self)
        var result: [UInt8] = []
        var copy = text
        copy.withUTF8 { bytes in stream.add(UnsafeRawBufferPointer(bytes)) { result += $0 } }
        stream.finish { result += $0 }
        return String(decoding: result, as: UTF8.self)
    }
}

extension SecretMask {
    /// A JSON text whose texts are masked, each by itself: it stays JSON.
    func maskedJSON(_ text: String) throws -> String {
        if isEmpty || masked(text) == text { return text }
        let value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed]
        return String(
            decoding: try JSONSerialization.data(withJSONObject: masked(value), options: options), as: UTF8.self)
    }

    private func masked(_ value: Any) -> Any {
        switch value {
        case let text as String: masked(text)
        case let list as [Any]: list.map { masked($0) }
        case let object as [String: Any]: object.mapValues { masked($0) }
        default: value
        }
    }
}

/// Passes bytes on with `***` for each secret, however they come in pieces. What may be the beginning of one waits for what follows.
struct SecretStream {
    private let mask: SecretMask
    private var views = SecretView.Kind.allCases.map(SecretView.init)
    /// Source bytes that were not passed on yet, from position `start` on.
    private var held: [UInt8] = []
    private var start = 0
    /// Of secrets, in any order.
    private var ranges: [Range<Int>] = []

    init(_ mask: SecretMask) { self.mask = mask }

    mutating func add(_ bytes: UnsafeRawBufferPointer, pass: (ArraySlice<UInt8>) -> Void) {
        if mask.isEmpty { return pass(Array(bytes)[...]) }
        let position = start + held.count
        held += bytes
        var found: [Range<Int>] = []
        for index in views.indices { views[index].add(bytes, from: position, mask.automaton) { found.append($0) } }
        ranges += found
        passOn(until: views.compactMap { $0.open(mask.automaton) }.min() ?? start + held.count, pass)
    }

    /// Nothing more comes: what was held back is no secret.
    mutating func finish(pass: (ArraySlice<UInt8>) -> Void) {
        var found: [Range<Int>] = []
        for index in views.indices { views[index].finish(mask.automaton) { found.append($0) } }
        ranges += found
        passOn(until: start + held.count, pass)
    }

    private mutating func passOn(until end: Int, _ pass: (ArraySlice<UInt8>) -> Void) {
        var merged: [Range<Int>] = []
        for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            if let last = merged.last, range.lowerBound < last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        // A secret that is found may be a part of a longer one that is not whole yet.
        let end = merged.first { $0.lowerBound < end && $0.upperBound > end }?.lowerBound ?? end
        var position = start
        for range in merged where range.upperBound <= end {
            if range.lowerBound > position { pass(held[position - start..<range.lowerBound - start]) }
            pass(Self.stars)
            position = range.upperBound
        }
        if end > position { pass(held[position - start..<end - start]) }
        held.removeFirst(end - start)
        start = end
        ranges = merged.filter { $0.upperBound > end }
    }

    private static let stars = Array("***".utf8)[...]
}
