import Problems
public import SQLite
public import Time

/// What an alert would have raised over the results that are stored: the same evaluation over the same windows, without a trace.
public struct AlertRehearsal {
    /// Windows looked at.
    public private(set) var windows = 0
    /// Oldest first.
    public private(set) var raised: [AlertHistory.Entry] = []

    /// Looks at all closed windows of the query that are still stored, in the order of time.
    ///
    /// - Parameters:
    ///   - name: of an alert of one of `plans`.
    ///   - connection: to the results; read-only will do.
    /// - Throws: `.usage` where there is no such alert, with the nearest name; `.noInput` where its query has no results yet;
    ///   `.configuration` where the query is declared otherwise than its stored results; `.badData` for damaged ones.
    public init(_ name: String, _ plans: [QueryPlan], on connection: Connection, zone: ZoneClock) throws {
        let alerts = plans.flatMap(\.alerts)
        guard let alert = alerts.first(where: { $0.name == name }),
            var plan = plans.first(where: { $0.name == alert.query })
        else {
            let near = nearestName(to: name, among: alerts.map(\.name)).map { "Did you mean \"\($0)\"?" }
            throw Problem(
                .usage, "there is no alert \"\(name)\"",
                hint: near
                    ?? (alerts.isEmpty
                        ? "Declare it under \"alerts:\" in queries.yaml." : "taxi-cli alert list shows all."))
        }
        plan.alerts = [alert]
        try Self.check(plan, on: connection)
        try connection.snapshot { try rehearse(alert, plan, on: connection, zone: zone) }
    }

    private static func check(_ plan: QueryPlan, on connection: Connection) throws {
        guard let checkpoint = try CheckpointStore(connection: connection).load(plan.name) else {
            throw Problem(
                .noInput, "query \"\(plan.name)\" has no stored results yet", hint: "Run taxi-cli stream first.")
        }
        guard checkpoint.declaration == "\(plan.schemaFingerprint); table \(plan.table)" else {
            throw Problem(
                .configuration, "query \"\(plan.name)\" is declared otherwise than its stored results",
                hint: "Compute it anew: taxi-cli stream --query \(plan.name) --from-beginning.")
        }
    }

    private mutating func rehearse(
        _ alert: AlertPlan, _ plan: QueryPlan, on connection: Connection, zone: ZoneClock
    ) throws {
        let loader = StateLoader(connection: connection)
        let state = QueryState(plan: plan, zone: zone)
        try loader.loadKeys(into: state)
        var evaluator = AlertEvaluator(plan, zone: zone, progress: [:])
        let statement = try connection.prepare(
            "SELECT * FROM \(plan.storageTable) WHERE closed > 0 ORDER BY window_start_ms")
        while try statement.step() {
            try loader.restore(from: statement, into: state)
            let start = try statement.integer(0, in: .times)
            let window = state.windows.window(start: start, end: state.end(ofWindowFrom: start))
            let order = (0..<window.pointee.count).map { Int32($0) }
            evaluator.close(window, order, WindowHistograms(window), keys: state.keys)
            state.windows.close(window)
            windows += 1
        }
        raised = evaluator.take().raised.map { found in
            AlertHistory.Entry(
                raised: found.raisedMs, name: alert.name, query: plan.name, windowStart: found.windowStartMs,
                value: found.value, params: found.params, workflow: alert.workflow, runID: nil)
        }
    }
}
