import Glibc
public import Problems

/// One number of a process, as its live file has it.
public struct LiveSeries: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case counter(Int64)
        case gauge(Double)
        case histogram(HistogramCounts)
    }
    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public var name: String
    public var labels: [Label]
    public var value: Value

    public init(_ name: String, _ labels: [Label], _ value: Value) {
        (self.name, self.labels, self.value) = (name, labels, value)
    }

    /// Name and labels, by which the same number of another process is known.
    public var key: String { name + Labels.text(labels.map { ($0.name, $0.value) }) }

    public func label(_ name: String) -> String? { labels.first { $0.name == name }?.value }
}

/// Observations in buckets.
public struct HistogramCounts: Sendable, Equatable {
    /// Ascending, seconds.
    public var bounds: [Double]
    /// One a bucket, not summed up, and one for what lies above the last bound.
    public var counts: [Int64]
    public var sumNs: Int64

    public init(bounds: [Double] = Metric.bounds, counts: [Int64]? = nil, sumNs: Int64 = 0) {
        (self.bounds, self.sumNs) = (bounds, sumNs)
        self.counts = counts ?? Array(repeating: 0, count: bounds.count + 1)
    }

    public var count: Int64 { counts.reduce(0, &+) }

    public mutating func observe(seconds: Double) {
        let bucket = bounds.firstIndex { seconds <= $0 } ?? bounds.count
        counts[bucket] += 1
        sumNs &+= Int64(max(0, min(seconds, 9e9)) * 1e9)
    }

    /// Adds those of another process; false where they have other bounds.
    public mutating func merge(_ other: HistogramCounts) -> Bool {
        guard bounds == other.bounds else { return false }
        for index in counts.indices { counts[index] &+= other.counts[index] }
        sumNs &+= other.sumNs
        return true
    }

    /// What is here and was not there yet; nil where it is not a later look at the same.
    public func since(_ earlier: HistogramCounts) -> HistogramCounts? {
        guard bounds == earlier.bounds, zip(counts, earlier.counts).allSatisfy({ $0 >= $1 }) else { return nil }
        return HistogramCounts(
            bounds: bounds, counts: zip(counts, earlier.counts).map { $0 - $1 }, sumNs: sumNs &- earlier.sumNs)
    }

    /// The quantile in seconds, by a straight line within its bucket, as Prometheus' `histogram_quantile`; nil for no observation.
    public func quantile(_ share: Double) -> Double? {
        let total = count
        guard total > 0, let last = bounds.last else { return nil }
        let rank = share * Double(total)
        var below: Int64 = 0
        for (index, count) in counts.enumerated() {
            guard Double(below + count) >= rank, count > 0 else {
                below += count
                continue
            }
            guard index < bounds.count else { return last }
            let lower = index == 0 ? 0 : bounds[index - 1]
            return lower + (bounds[index] - lower) * (rank - Double(below)) / Double(count)
        }
        return last
    }
}

/// What a live file says at one moment.
public struct LiveSnapshot: Sendable {
    public var command: String
    public var pid: Int32
    /// Of the process, in the kernel's words: a later one with the same number has another.
    public var start: String
    /// ms UTC.
    public var startedMs: Int64
    /// Whether it said that it ends; one that is not there any more and has not said so was killed.
    public var hasEnded: Bool
    public var series: [LiveSeries]

    /// Reads a file, whoever is writing to it. Series that make no sense are left out.
    ///
    /// - Throws: `Problem`: `.noInput` where it is gone, `.badData` where it is no live file of this version.
    public init(path: String) throws(Problem) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw Problem(.read, path, errno) }
        defer { close(descriptor) }
        var header = [UInt8](repeating: 0, count: LiveFile.headerBytes)
        guard Self.fill(&header, descriptor, at: 0) else { throw Self.damage(path) }
        guard Array(header[..<8]) == LiveFile.magic, header.integer(at: 8, UInt32.self) == LiveFile.version else {
            throw Self.damage(path)
        }
        let used = header.integer(at: 32, Int64.self)
        guard used >= Int64(LiveFile.headerBytes), used <= Int64(LiveFile.mappedBytes) else { throw Self.damage(path) }
        var entries = [UInt8](repeating: 0, count: Int(used) - LiveFile.headerBytes)
        guard Self.fill(&entries, descriptor, at: LiveFile.headerBytes) else { throw Self.damage(path) }
        pid = header.integer(at: 12, Int32.self)
        hasEnded = header.integer(at: 16, Int64.self) != 0
        startedMs = header.integer(at: 24, Int64.self)
        command = header.text(at: 64, room: LiveFile.commandBytes)
        start = header.text(at: 128, room: LiveFile.startBytes)
        series = Self.series(entries)
    }

    private static func damage(_ path: String) -> Problem {
        Problem(
            .badData, "\"\(visible(path))\" is not a file of live numbers of this version",
            hint: "It may be removed where its process does not run.")
    }

    private static func fill(_ bytes: inout [UInt8], _ descriptor: Int32, at offset: Int) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func series(_ bytes: [UInt8]) -> [LiveSeries] {
        var series: [LiveSeries] = []
        var offset = 0
        while offset + 16 <= bytes.count {
            let textLength = Int(bytes.integer(at: offset + 4, UInt32.self))
            let wordCount = Int(bytes.integer(at: offset + 8, UInt32.self))
            let length = Int(bytes.integer(at: offset + 12, UInt32.self))
            guard length >= 16 + wordCount * 8 + textLength, offset + length <= bytes.count, length % 8 == 0 else {
                break
            }
            let words = (0..<wordCount).map { bytes.integer(at: offset + 16 + $0 * 8, Int64.self) }
            let textStart = offset + 16 + wordCount * 8
            let text = String(decoding: bytes[textStart..<textStart + textLength], as: UTF8.self)
            if let kind = Metric.Kind(code: bytes.integer(at: offset, UInt32.self)), let value = value(kind, words),
                let (name, labels) = Labels.parse(text)
            {
                series.append(LiveSeries(name, labels.map { .init($0.name, $0.value) }, value))
            }
            offset += length
        }
        return series
    }

    private static func value(_ kind: Metric.Kind, _ words: [Int64]) -> LiveSeries.Value? {
        guard let first = words.first else { return nil }
        switch kind {
        case .counter: return first >= 0 ? .counter(first) : nil
        case .gauge:
            let value = Double(bitPattern: UInt64(bitPattern: first))
            return value.isNaN ? nil : .gauge(value)
        case .histogram:
            guard first >= 1, first <= 1000, words.count == 2 * Int(first) + 3 else { return nil }
            let bounds = words[1...Int(first)].map { Double(bitPattern: UInt64(bitPattern: $0)) }
            let counts = Array(words[(Int(first) + 1)...(2 * Int(first) + 1)])
            guard counts.allSatisfy({ $0 >= 0 }), zip(bounds, bounds.dropFirst()).allSatisfy({ $0 < $1 }) else {
                return nil
            }
            return .histogram(HistogramCounts(bounds: bounds, counts: counts, sumNs: words[2 * Int(first) + 2]))
        }
    }
}

extension [UInt8] {
    fileprivate func integer<Number: FixedWidthInteger>(at offset: Int, _ type: Number.Type) -> Number {
        withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
    }

    fileprivate func text(at offset: Int, room: Int) -> String {
        String(decoding: self[offset..<offset + room].prefix { $0 != 0 }, as: UTF8.self)
    }
}
