internal import Basics
internal import Foundation
public import Problems
public import Time
internal import YAML

/// A workflow as its file declares it, checked: every name it uses exists, and its steps form no cycle.
public struct WorkflowSpec: Sendable {
    public var name: String
    public var description: String
    /// nil for one that only runs when somebody says so.
    public var schedule: Schedule?
    public var zone: ZoneClock
    /// No data interval begins before.
    public var start: EventTime?
    public var catchUp: CatchUp
    /// Runs of this workflow that may be under way at once. nil where the file says nothing: then a scheduler runs one at a time, and
    /// by hand there may be any number.
    public var concurrency: Int?
    /// Steps of a run that may be under way at once.
    public var parallel: Int
    /// How long a whole run may take; nil for as long as it takes.
    public var timeoutMs: Int64?
    public var params: [String: String]
    /// In an order in which each comes after those that it needs.
    public var steps: [StepSpec]
    /// What is done when a run has failed.
    public var onFailure: FailureAction?
    /// How many steps of all workflows may hold each pool at once.
    public var pools: [String: Int]
    /// The file's path.
    public var file: String

    /// The file's path from the root, so that another process finds it.
    public var absoluteFile: String { file.hasPrefix("/") ? file : URL(fileURLWithPath: file).path }

    /// Where relative paths of the workflow begin.
    var folder: String { (file as NSString).deletingLastPathComponent }

    /// The latest time up to which due intervals can have been entered: now, or the start that is still to come; nil without a schedule.
    func latestEntered(_ now: EventTime) -> EventTime? { schedule == nil ? nil : max(now, (start ?? .min + 1) - 1) }

    public func step(_ name: String) -> StepSpec? { steps.first { $0.name == name } }

    /// The values of a run's parameters: those given, and the declared ones for the rest.
    ///
    /// - Throws: `.usage` for a parameter that is not declared.
    public func filled(params: [String: String]) throws(Problem) -> [String: String] {
        for name in params.keys.sorted() where self.params[name] == nil {
            let near = nearestName(to: name, among: self.params.keys.sorted()).map { "Did you mean \"\($0)\"?" }
            throw Problem(.usage, "workflow \"\(self.name)\" has no parameter \"\(name)\"", hint: near)
        }
        return self.params.merging(params) { $1 }
    }
}

/// What becomes of intervals that were missed while nothing ran.
public enum CatchUp: Sendable, Hashable {
    /// None of them: only what becomes due while somebody looks is run.
    case none
    /// The last one that became due; the ones before are not.
    case latest
    /// Each of them, oldest first.
    case all
    /// Each that became due within this time.
    case within(ms: Int64)
}

extension CatchUp: CustomStringConvertible {
    /// As a workflow's file has it.
    public var description: String {
        switch self {
        case .none: "none"
        case .latest: "latest"
        case .all: "all"
        case .within(let ms): durationText(ms: ms)
        }
    }
}

/// What is done when a run has failed.
public enum FailureAction: Sendable {
    /// A step that tells somebody; it needs none, and its own failure changes nothing.
    case notify(StepSpec)
    /// Another workflow, which gets the parameters `workflow`, `run`, `step`, `error` and `interval` as far as it declares them.
    case run(workflow: String)
}

/// One step of a workflow.
public struct StepSpec: Sendable {
    public var name: String
    var action: any StepAction
    /// Names of the steps that have to have ended before it.
    public var needs: [String]
    public var when: StepCondition
    public var condition: Comparison?
    /// Further attempts after one that failed.
    public var retries: Int
    public var backoff: Backoff
    /// How long one attempt may take; nil for as long as it takes.
    public var timeoutMs: Int64?
    /// Whether its failure leaves the run a success and lets the steps behind it go on.
    public var allowFailure: Bool
    /// The pool of which it holds a slot while it runs.
    public var pool: String?
    /// Variables of its process, besides those of taxi-cli.
    public var environment: [(name: String, value: Template)]
}

/// What a step needs of the steps before it.
public enum StepCondition: String, Sendable, CaseIterable {
    case allSuccess = "all_success"
    case allDone = "all_done"
    case anyFailed = "any_failed"
    case always
}

/// How long to wait before another attempt: `first`, then twice as long each time, up to `limit`.
public struct Backoff: Sendable, Hashable {
    public var firstMs: Int64
    public var limitMs: Int64

    public init(firstMs: Int64, limitMs: Int64) { (self.firstMs, self.limitMs) = (firstMs, limitMs) }

    /// The wait after the attempt with this number, from 1.
    public func waitMs(afterAttempt attempt: Int) -> Int64 {
        var wait = firstMs
        for _ in 1..<max(1, attempt) where wait < limitMs {
            wait = wait.multipliedReportingOverflow(by: 2).partialValue
        }
        return min(wait, limitMs)
    }
}
