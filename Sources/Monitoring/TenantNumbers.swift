public import Database
public import Telemetry

/// The live numbers of a tenant: those of the processes that run, and the totals of those that are gone.
public struct TenantNumbers: Sendable {
    /// The processes that run now.
    public var processes: [LiveSnapshot]
    /// By name and labels.
    public private(set) var series: [String: LiveSeries]

    /// Looks at the live files and the totals; changes nothing.
    public init(_ home: TenantHome) {
        // First the files: what is folded afterwards is in neither set twice, since the totals say whose numbers they hold.
        let files = LiveFolder(home).files()
        let database = MetricsDatabase.openIfAny(home)
        let totals = (try? database?.totals()) ?? (series: [:], folded: [])
        processes = files.filter(\.isAlive).map(\.snapshot)
        series = [:]
        for (key, value) in totals.series {
            guard let (name, labels) = Labels.parse(key) else { continue }
            series[key] = LiveSeries(name, labels.map { .init($0.name, $0.value) }, value)
        }
        for file in files where !totals.folded.contains(file.identity) {
            for series in file.snapshot.series { add(series, isAlive: file.isAlive) }
        }
    }

    private mutating func add(_ other: LiveSeries, isAlive: Bool) {
        let key = other.key
        guard case .gauge(let value) = other.value else {
            guard let sum = MetricsDatabase.sum(series[key]?.value, other.value) else { return }
            series[key] = LiveSeries(other.name, other.labels, sum)
            return
        }
        // What a process that is gone was doing at last is not what is going on.
        guard isAlive else { return }
        guard case .gauge(let known)? = series[key]?.value else { return series[key] = other }
        let isRate = other.name == Metric.replayAskedRate.name
        series[key]?.value = .gauge(isRate ? known + value : max(known, value))
    }

    /// All series of a metric, in the order of their labels.
    public func all(_ metric: Metric) -> [LiveSeries] {
        series.values.filter { $0.name == metric.name }.sorted { $0.key < $1.key }
    }

    /// The sum of a counter over its labels.
    public func total(_ metric: Metric) -> Int64 {
        all(metric).reduce(0) { sum, series in
            if case .counter(let count) = series.value { sum &+ count } else { sum }
        }
    }

    /// The greatest value of a gauge; nil where nobody sets it.
    public func greatest(_ metric: Metric) -> Double? {
        all(metric).compactMap { series in
            if case .gauge(let value) = series.value { value } else { nil }
        }.max()
    }

    /// A gauge of one query; nil where nobody sets it.
    public func gauge(_ metric: Metric, query: String) -> Double? {
        let found = all(metric).first { $0.label("query") == query }
        if case .gauge(let value)? = found?.value { return value }
        return nil
    }

    public func histogram(_ metric: Metric, _ label: LiveSeries.Label? = nil) -> HistogramCounts? {
        let found = all(metric).first { series in label.map { series.labels.contains($0) } ?? true }
        if case .histogram(let counts)? = found?.value { return counts }
        return nil
    }
}
