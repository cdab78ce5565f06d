public import Problems

/// A condition over the results of a query with windows, for somebody to be told of: declared, resolved and checked.
///
///     alerts:
///       - {name: fare-spike, on: sumFareWindow, if: total_fare > 5000, for: 3 windows, cooldown: 10m, run: spike-analysis}
///
/// It is evaluated once a window, when that closes and its results are final, and for each group by itself. It is raised where the
/// condition holds for the `windows`th time in a row: a window that nothing fell into ends the row. While the condition goes on
/// holding it is not raised again, unless there is a cooldown: then it is raised again after so much event time, where the
/// condition then holds, and never before.
public struct AlertPlan: Sendable, Hashable {
    public var name: String
    /// Of the query with the results.
    public var query: String
    public var condition: AlertCondition
    /// Windows in a row in which the condition has to hold; at least 1.
    public var windows: Int
    /// Event time between the ends of the windows that raise it; nil for once as long as the condition holds.
    public var cooldownMs: Int64?
    /// The workflow that each alert starts, with the alert as its parameters; nil for none.
    public var workflow: String?
    /// Where the declaration names it.
    public var workflowPlace: InputLocation?
}

/// What an alert remembers of one group from window to window: a plain value, so that a stream that is cut anywhere goes on with it.
struct AlertProgress: Sendable, Equatable {
    /// Windows in a row in which the condition held.
    var matching: Int64 = 0
    /// Where the window starts that would be the next in the row.
    var nextStartMs: Int64 = .min
    /// No alert is raised by a window that ends before.
    var quietUntilMs: Int64 = .min

    /// Takes a window in which the condition held; says whether the alert is raised.
    ///
    /// A window in which it did not hold needs no notice: it leaves a gap in the row.
    ///
    /// - Parameter nextStartMs: of the window after this one.
    mutating func match(startMs: Int64, endMs: Int64, nextStartMs: Int64, _ plan: AlertPlan) -> Bool {
        matching = startMs == self.nextStartMs ? matching + 1 : 1
        self.nextStartMs = nextStartMs
        guard let cooldownMs = plan.cooldownMs else { return matching == Int64(plan.windows) }
        guard matching >= Int64(plan.windows), endMs >= quietUntilMs else { return false }
        quietUntilMs = endMs + cooldownMs
        return true
    }
}

/// An alert that was raised, on its way to the database and to its topic.
struct RaisedAlert: Sendable {
    var plan: AlertPlan
    /// The end of the window, in event time: what a stream decides does not depend on when it runs.
    var raisedMs: Int64
    var windowStartMs: Int64
    /// The id of its group, 0 where there are no groups.
    var group: Int64
    /// Of the window, where trips that came late for it made it raise the alert; nil where it had its first results.
    var revision: Int64?
    var value: Double
    /// What a workflow is given.
    var params: [String: String]
    /// Its groups by their names, without those that are null.
    var groups: [(name: String, value: AlertCondition.Value)] = []
    /// The record of `{tenant}_alerts`, as JSON.
    var record: [UInt8]
}
