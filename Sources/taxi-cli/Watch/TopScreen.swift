import Basics
import CommandLine
import Monitoring
import Stream
import Telemetry
import Time

/// What `top` shows of a tenant, as lines of text: rendered anew for each look, whatever the size of the terminal.
struct TopScreen {
    enum Section: String, CaseIterable { case queries, partitions, workflows, tenants }

    var look: TenantLook
    var before: TenantLook?
    /// Of all tenants, for their list.
    var others: [TenantLook]
    var section: Section
    var style: Style
    var width: Int
    /// nil for no limit.
    var height: Int?

    func lines() -> [String] {
        var lines = head() + [""]
        lines += fitted(table(), rows: height.map { max(3, $0 - lines.count - 2) })
        if let height {
            while lines.count < height - 1 { lines.append("") }
            lines = Array(lines.prefix(height - 1))
            lines.append(
                style.dim(
                    cut(
                        "q quit  tab section  t tenant  p pause   \(Section.allCases.map { $0 == section ? "[\($0.rawValue)]" : $0.rawValue }.joined(separator: " "))"
                    )))
        }
        return lines
    }

    private func cut(_ text: String) -> String {
        text.count <= width ? text : String(text.prefix(max(0, width - 1))) + "…"
    }

    // MARK: The upper part

    private func head() -> [String] {
        let clock = try? ZoneClock(identifier: look.zone)
        func time(_ ms: EventTime?) -> String {
            guard let ms, let text = clock?.iso(ms: ms) else { return "-" }
            return "\(text.prefix(10)) \(text.dropFirst(11).prefix(8))"
        }
        let state = look.findings.isEmpty ? look.status?.state.rawValue ?? "empty" : "failing"
        let shown = state == "failing" ? style.red(state) : state == "ok" ? style.green(state) : state
        let running = look.numbers.processes.map { "\($0.command) \($0.pid)" }.joined(separator: ", ")
        var lines = [
            "\(style.bold(look.tenant))  \(shown)  \(time(look.nowMs))  "
                + cut(running.isEmpty ? "nothing runs" : running)
        ]
        for finding in look.findings.prefix(3) {
            lines.append(style.red(cut("  \(finding.rule.rawValue): \(printable(finding.what))")))
        }
        let streams = look.numbers.processes.contains { $0.command == "stream" }
        func rate(_ value: Double?) -> String { value.map { "\(fixed($0, decimals: $0 < 10 ? 1 : 0))/s" } ?? "-" }
        let sources = look.sources
        let rateIn = streams ? sources.compactMap(\.rateIn).reduce(0, +) : nil
        let processed = streams ? sources.map(\.rateProcessed).reduce(0, +) : nil
        let asked = look.numbers.greatest(.replayAskedRate).map { " of \(rate($0))" } ?? ""
        lines.append(
            cut(
                "sent \(rate(look.rate(.replayRecords, since: before)))\(asked)   in \(rate(rateIn))   processed \(rate(processed))   results \(rate(look.rate(.streamResults, since: before)))"
            ))
        let lag = sources.compactMap(\.lagRecords).reduce(0, +)
        let age = sources.compactMap(\.lagSeconds).max()
        let trend = streams ? look.trend : nil
        let clear = look.hungSeconds == nil ? look.numbers.greatest(.streamLagClear) : nil
        var line = "lag \(grouped(lag)) records"
        if let age, lag > 0 { line += ", the oldest \(Self.duration(age))" }
        if let trend { line += ", \(trend)" }
        if streams, let clear {
            line +=
                clear == 0 ? "" : clear.isFinite ? ", gone in \(Self.duration(clear))" : ", never gone at these rates"
        }
        lines.append(cut(line))
        let counts = look.latency(since: before)
        let quantiles =
            counts.flatMap { counts in
                counts.quantile(0.5).map { "\(Self.duration($0))/\(Self.duration(counts.quantile(0.99) ?? $0))" }
            } ?? "-"
        lines.append(
            cut(
                "watermark \(time(look.status?.queries.compactMap(\.watermark).min()))  newest \(time(look.status?.ingest?.lastEvent))  p50/p99 \(quantiles)"
            ))
        return lines
    }

    static func duration(_ seconds: Double) -> String {
        seconds < 1
            ? "\(Int((seconds * 1000).rounded())) ms"
            : roundedDurationText(ms: Int64(min(seconds, 9e12).rounded()) * 1000)
    }

    // MARK: The table

    func table() -> Table {
        switch section {
        case .queries: queries()
        case .partitions: partitions()
        case .workflows: workflows()
        case .tenants: tenants()
        }
    }

    private func queries() -> Table {
        var table = Table(columns: [
            Column("query"), Column("state", mayBeLeftOut: true), Column("records", .right), Column("results", .right),
            Column("late", .right),
            Column("skipped", .right), Column("lag", .right), Column("windows", .right, mayBeLeftOut: true),
            Column("memory", .right, mayBeLeftOut: true),
        ])
        for query in look.status?.queries ?? [] {
            table.rows.append([
                .text(query.name), .text(query.state.rawValue), .count(query.consumed), .count(query.results),
                .count(query.late),
                .count(query.skipped), query.lag.map { .count($0) } ?? .null,
                look.numbers.gauge(.streamOpenWindows, query: query.name).map { .count(Int64($0)) } ?? .null,
                look.numbers.gauge(.streamStateBytes, query: query.name).map { .bytes(Int64($0)) } ?? .null,
            ])
        }
        return table
    }

    private func partitions() -> Table {
        var table = Table(columns: [
            Column("partition", .right), Column("records", .right), Column("lag", .right), Column("oldest", .right),
            Column("in/s", .right), Column("out/s", .right), Column("gone_in", .right), Column("trend"),
            Column("holds_back", mayBeLeftOut: true),
        ])
        for source in look.sources {
            table.rows.append([
                .integer(source.partition), .count(source.records), source.lagRecords.map { .count($0) } ?? .null,
                .optional(source.lagSeconds.map(Self.duration)), source.rateIn.map { .real($0, decimals: 1) } ?? .null,
                .real(source.rateProcessed, decimals: 1), .optional(source.clearSeconds.map(Self.duration)),
                .optional(source.trend), .bool(source.holdsBack),
            ])
        }
        return table
    }

    private func workflows() -> Table {
        var table = Table(columns: [Column("workflow"), Column("state"), Column("runs", .right)])
        for run in look.workflows.runs {
            table.rows.append([.text(run.workflow), .text(run.state), .count(run.count)])
        }
        return table
    }

    private func tenants() -> Table {
        var table = Table(columns: [
            Column("tenant"), Column("state"), Column("records", .right), Column("lag", .right),
            Column("processes", .right), Column("why"),
        ])
        for other in others {
            table.rows.append([
                .text(other.tenant),
                .text(other.findings.isEmpty ? other.status?.state.rawValue ?? "empty" : "failing"),
                .count(other.status?.ingest?.records ?? 0), .count(other.sources.compactMap(\.lagRecords).reduce(0, +)),
                .count(Int64(other.numbers.processes.count)), .optional(other.findings.first?.what),
            ])
        }
        return table
    }

    private func fitted(_ table: Table, rows: Int?) -> [String] {
        guard !table.rows.isEmpty else { return [style.dim("no \(section.rawValue) yet")] }
        var lines = table.text(width: width, style: style).split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        if lines.last == "" { lines.removeLast() }
        guard let rows, lines.count > rows else { return lines }
        return Array(lines.prefix(rows - 1)) + [style.dim("… \(lines.count - rows + 1) more lines")]
    }
}
