import Synchronization

/// A number of a process that only grows. Adding is one atomic instruction, from any thread.
///
/// `@unchecked Sendable`: the word is only touched atomically, and belongs to memory that is never given back.
public struct Counter: @unchecked Sendable {
    fileprivate let word: UnsafeMutablePointer<Atomic<Int64>>
    @inline(__always) public func add(_ amount: Int64 = 1) { word.pointee.wrappingAdd(amount, ordering: .relaxed) }
    public var value: Int64 { word.pointee.load(ordering: .relaxed) }
}

/// A number of a process that goes up and down; NaN, with which it begins, says that there is none.
///
/// `@unchecked Sendable`: as `Counter`.
public struct Gauge: @unchecked Sendable {
    fileprivate let word: UnsafeMutablePointer<Atomic<Int64>>
    public var value: Double {
        Double(bitPattern: UInt64(bitPattern: word.pointee.load(ordering: .relaxed)))
    }
    public func set(_ value: Double) {
        word.pointee.store(Int64(bitPattern: value.bitPattern), ordering: .relaxed)
    }
    public func clear() { set(.nan) }
}

/// Durations of a process, counted in buckets.
///
/// `@unchecked Sendable`: as `Counter`. One observation is two additions, between which a reader may look.
public struct Histogram: @unchecked Sendable {
    /// Number of bounds, the bounds, counts of each bucket and of what lies above the last bound, sum in ns.
    fileprivate let words: UnsafeMutablePointer<Atomic<Int64>>
    private var bounds: Int { Int(words.pointee.load(ordering: .relaxed)) }

    fileprivate init(words: UnsafeMutablePointer<Atomic<Int64>>) { self.words = words }

    /// Counts `count` observations of a duration; one below 0 counts as 0.
    public func observe(ns: Int64, count: Int64 = 1) {
        let ns = max(0, ns)
        let seconds = Double(ns) / 1e9
        var (low, high) = (0, bounds)
        while low < high {
            let middle = (low + high) / 2
            if seconds <= bound(middle) { high = middle } else { low = middle + 1 }
        }
        words[1 + bounds + low].wrappingAdd(count, ordering: .relaxed)
        let (sum, overflow) = ns.multipliedReportingOverflow(by: count)
        words[2 + 2 * bounds].wrappingAdd(overflow ? .max / 2 : sum, ordering: .relaxed)
    }

    private func bound(_ index: Int) -> Double {
        Double(bitPattern: UInt64(bitPattern: words[1 + index].load(ordering: .relaxed)))
    }
}

/// The live numbers of one process, in a file that others map (`LiveFile`), or in memory alone.
///
/// Getting a metric that is not there makes it; whoever counts in a loop keeps the counter and not the name.
public final class LiveMetrics: Sendable {
    private struct Place {
        let words: UnsafeMutablePointer<Atomic<Int64>>
        let kind: Metric.Kind
    }
    /// `@unchecked Sendable`: used under the mutex.
    private struct State: @unchecked Sendable {
        var places: [String: Place] = [:]
        var file: LiveFile?
    }
    private let state: Mutex<State>

    /// - Parameter file: nil where nobody is to see the numbers, or none could be made.
    public init(_ file: LiveFile? = nil) { state = Mutex(State(file: file)) }

    public func counter(_ metric: Metric, _ labels: KeyValuePairs<String, String> = [:]) -> Counter {
        Counter(word: words(metric, .counter, labels, initial: [0]))
    }

    public func gauge(_ metric: Metric, _ labels: KeyValuePairs<String, String> = [:]) -> Gauge {
        Gauge(word: words(metric, .gauge, labels, initial: [Int64(bitPattern: Double.nan.bitPattern)]))
    }

    public func histogram(_ metric: Metric, _ labels: KeyValuePairs<String, String> = [:]) -> Histogram {
        let bounds = Metric.bounds.map { Int64(bitPattern: $0.bitPattern) }
        let counts = Array(repeating: Int64(0), count: bounds.count + 2)
        return Histogram(words: words(metric, .histogram, labels, initial: [Int64(bounds.count)] + bounds + counts))
    }

    /// Says that the process ends by itself, and gives the file's memory back to nobody: counters may still be held.
    public func end() { state.withLock { $0.file?.end() } }

    private func words(
        _ metric: Metric, _ kind: Metric.Kind, _ labels: KeyValuePairs<String, String>, initial: [Int64]
    ) -> UnsafeMutablePointer<Atomic<Int64>> {
        precondition(metric.kind == kind, "\(metric.name) is a \(metric.kind)")
        let text = metric.name + Labels.text(labels.map { ($0.key, $0.value) })
        // The pointer leaves the lock; what it points to is atomic.
        nonisolated(unsafe) var found: UnsafeMutablePointer<Atomic<Int64>>?
        state.withLock { state in
            if let place = state.places[text] {
                found = place.words
                return
            }
            let words = state.file?.add(kind, text, initial) ?? Self.memory(initial)
            state.places[text] = Place(words: words, kind: kind)
            found = words
        }
        return found!  // set under the lock
    }

    /// As long as the process lives, as a file's words do.
    private static func memory(_ initial: [Int64]) -> UnsafeMutablePointer<Atomic<Int64>> {
        let words = UnsafeMutablePointer<Atomic<Int64>>.allocate(capacity: initial.count)
        for (index, value) in initial.enumerated() { (words + index).initialize(to: Atomic(value)) }
        return words
    }
}

/// Labels as Prometheus writes them.
public enum Labels {
    /// `{query="fares",reason="bad \"x\""}`; empty for none.
    public static func text(_ labels: [(name: String, value: String)]) -> String {
        if labels.isEmpty { return "" }
        let parts = labels.map { "\($0.name)=\"\(escaped($0.value))\"" }
        return "{\(parts.joined(separator: ","))}"
    }

    static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x5c || $0 == 0x22 || $0 == 0x0a }) else { return value }
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The name and labels that `text` was made of; nil where it is not of this form.
    public static func parse(_ text: String) -> (name: String, labels: [(name: String, value: String)])? {
        guard let brace = text.firstIndex(of: "{") else { return text.isEmpty ? nil : (text, []) }
        var labels: [(name: String, value: String)] = []
        var rest = text.unicodeScalars[text.unicodeScalars.index(after: brace)...]
        while true {
            guard let equals = rest.firstIndex(of: "=") else { return nil }
            let name = String(rest[..<equals])
            rest = rest[rest.index(after: equals)...]
            guard rest.popFirst() == "\"" else { return nil }
            var value = String.UnicodeScalarView()
            while let scalar = rest.popFirst(), scalar != "\"" {
                guard scalar == "\\" else {
                    value.append(scalar)
                    continue
                }
                guard let escape = rest.popFirst() else { return nil }
                value.append(escape == "n" ? "\n" : escape)
            }
            labels.append((name, String(value)))
            switch rest.popFirst() {
            case ",": continue
            case "}": return rest.isEmpty ? (String(text[..<brace]), labels) : nil
            default: return nil
            }
        }
    }
}
