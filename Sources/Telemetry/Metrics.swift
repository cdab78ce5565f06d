import Synchronization

/// A number that only grows, such as `replay_sent_records_total`.
public final class Counter: Sendable {
    private let count = Atomic<Int64>(0)
    public init() {}
    @inline(__always) public func add(_ amount: Int = 1) { count.wrappingAdd(Int64(amount), ordering: .relaxed) }
    public var value: Int64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down, such as `replay_behind_milliseconds`.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)
    public init() {}
    public var value: Double {
        get { Double(bitPattern: bits.load(ordering: .relaxed)) }
        set { bits.store(newValue.bitPattern, ordering: .relaxed) }
    }
}

/// How often values of each size came: buckets that grow by a quarter to a seventh, so that a quantile is within 13 % of the true one.
///
/// Layout: values 0…7 have a bucket each; above, each power of two is cut into eight. Negative values count as 0.
public final class Histogram: Sendable {
    private static let bucketCount = 8 + 60 * 8
    private let buckets = Mutex([Int64](repeating: 0, count: Histogram.bucketCount))
    public init() {}

    public func record(_ value: Int64) { buckets.withLock { $0[Self.bucket(of: value)] += 1 } }

    public var count: Int64 { buckets.withLock { $0.reduce(0, +) } }

    /// The greatest value of the bucket in which the quantile lies; nil where nothing was recorded.
    public func quantile(_ share: Double) -> Int64? {
        buckets.withLock { buckets in
            let total = buckets.reduce(0, +)
            guard total > 0 else { return nil }
            let rank = max(1, Int64((share * Double(total)).rounded(.up)))
            var seen: Int64 = 0
            for (index, count) in buckets.enumerated() {
                seen += count
                if seen >= rank { return Self.greatestValue(inBucket: index) }
            }
            return nil
        }
    }

    static func bucket(of value: Int64) -> Int {
        guard value >= 8 else { return Int(max(0, value)) }
        let power = 63 - value.leadingZeroBitCount
        return (power - 2) * 8 + Int(value >> (power - 3)) & 7
    }

    static func greatestValue(inBucket index: Int) -> Int64 {
        guard index >= 8 else { return Int64(index) }
        let shift = index / 8 - 1
        let next = (Int64(8 + index % 8) &+ 1).multipliedReportingOverflow(by: 1 << Int64(shift))
        return next.overflow ? .max : next.partialValue - 1
    }
}

/// The metrics of a process by name; getting one that is not there makes it.
///
/// Names follow `namespace_name_unit_total`; whoever counts in a hot loop keeps the counter and not the name.
public final class MetricsRegistry: Sendable {
    public static let shared = MetricsRegistry()

    private struct Metrics {
        var counters: [String: Counter] = [:]
        var gauges: [String: Gauge] = [:]
        var histograms: [String: Histogram] = [:]
    }
    private let metrics = Mutex(Metrics())

    public init() {}

    public func counter(_ name: String) -> Counter {
        metrics.withLock { metrics in
            if let counter = metrics.counters[name] { return counter }
            let counter = Counter()
            metrics.counters[name] = counter
            return counter
        }
    }

    public func gauge(_ name: String) -> Gauge {
        metrics.withLock { metrics in
            if let gauge = metrics.gauges[name] { return gauge }
            let gauge = Gauge()
            metrics.gauges[name] = gauge
            return gauge
        }
    }

    public func histogram(_ name: String) -> Histogram {
        metrics.withLock { metrics in
            if let histogram = metrics.histograms[name] { return histogram }
            let histogram = Histogram()
            metrics.histograms[name] = histogram
            return histogram
        }
    }

    /// All counters and gauges, and of each histogram the count and three quantiles, by name.
    public func snapshot() -> [(name: String, value: Double)] {
        let metrics = metrics.withLock { $0 }
        var values: [(name: String, value: Double)] = []
        for (name, counter) in metrics.counters { values.append((name, Double(counter.value))) }
        for (name, gauge) in metrics.gauges { values.append((name, gauge.value)) }
        for (name, histogram) in metrics.histograms {
            values.append(("\(name)_count", Double(histogram.count)))
            for (suffix, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                if let value = histogram.quantile(share) { values.append(("\(name)_\(suffix)", Double(value))) }
            }
        }
        return values.sorted { $0.name < $1.name }
    }
}
