public import Telemetry

/// A metric with all of its samples, as Prometheus reads it.
public struct MetricFamily: Sendable {
    public var metric: Metric
    public var series: [LiveSeries]
    public init(_ metric: Metric, _ series: [LiveSeries] = []) { (self.metric, self.series) = (metric, series) }
}

/// Writes metrics as text. Sources: "Exposition formats", prometheus.io; OpenMetrics 1.0.
public enum Exposition {
    public enum Format: Sendable, Equatable {
        /// The classic text format 0.0.4.
        case classic
        /// OpenMetrics 1.0.0.
        case openMetrics

        public var contentType: String {
            switch self {
            case .classic: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }

        /// What a client wants that sends this `Accept` header.
        public init(accept: String?) {
            self = accept?.contains("application/openmetrics-text") == true ? .openMetrics : .classic
        }
    }

    public static func text(_ families: [MetricFamily], _ format: Format) -> String {
        var text = ""
        for family in families where !family.series.isEmpty {
            let metric = family.metric
            // OpenMetrics names a counter's family without the suffix that its samples have.
            let name =
                format == .openMetrics && metric.kind == .counter
                ? String(metric.name.dropLast("_total".count)) : metric.name
            text += "# HELP \(name) \(help(metric.help))\n# TYPE \(name) \(metric.kind.rawValue)\n"
            for series in family.series { add(series, to: &text, format) }
        }
        return text + (format == .openMetrics ? "# EOF\n" : "")
    }

    private static func add(_ series: LiveSeries, to text: inout String, _ format: Format) {
        let labels = series.labels.map { ($0.name, $0.value) }
        switch series.value {
        case .counter(let count): text += "\(series.name)\(Labels.text(labels)) \(count)\n"
        case .gauge(let value): text += "\(series.name)\(Labels.text(labels)) \(number(value))\n"
        case .histogram(let histogram):
            var below: Int64 = 0
            for (bound, count) in zip(histogram.bounds, histogram.counts) {
                below &+= count
                text += "\(series.name)_bucket\(Labels.text(labels + [("le", number(bound))])) \(below)\n"
            }
            let count = histogram.count
            text += "\(series.name)_bucket\(Labels.text(labels + [("le", "+Inf")])) \(count)\n"
            text += "\(series.name)_sum\(Labels.text(labels)) \(number(Double(histogram.sumNs) / 1e9))\n"
            text += "\(series.name)_count\(Labels.text(labels)) \(count)\n"
        }
    }

    /// As Prometheus writes numbers: `1`, `0.5`, `+Inf`, `NaN`.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
        return "\(value)"
    }

    private static func help(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    }
}
