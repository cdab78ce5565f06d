import Time
internal import Problems

/// What a run would do, with every place of its templates filled in that is known before it begins.
///
/// What only shows while it runs (outputs of steps, the run's id) and what must not be shown (variables of the environment, which
/// may be secrets) stays as it is written.
public struct RunPreview: Sendable {
    public struct Step: Sendable {
        public var name: String
        public var kind: String
        public var needs: [String]
        /// What it does, such as the command line.
        public var does: String
        /// `if`, `when`, `retries` and the like, where they are not the default.
        public var terms: [String]
    }

    public let interval: DataInterval?
    public let intervalName: String?
    /// In an order in which they may run.
    public let steps: [Step]

    public init(_ spec: WorkflowSpec, interval: DataInterval?, params: [String: String]) {
        self.interval = interval
        intervalName = interval.map { spec.name(of: $0) }
        let values = TemplateValues(
            interval: interval.map { (spec.text(of: $0), spec.zone.iso(ms: $0.start), spec.zone.iso(ms: $0.end)) },
            runID: nil, params: spec.params.merging(params) { $1 }, steps: [:], environment: [:])
        steps = spec.steps.map { step in
            Step(
                name: step.name, kind: step.action.kind, needs: step.needs, does: step.action.text(values),
                terms: step.terms(values))
        }
    }
}

extension StepSpec {
    fileprivate func terms(_ values: TemplateValues) -> [String] {
        var terms: [String] = []
        if let condition {
            terms.append(
                "if \(values.fillKnown(condition.left)) \(condition.relation.rawValue) \(values.fillKnown(condition.right))"
            )
        }
        if when != .allSuccess { terms.append("when \(when.rawValue)") }
        if retries > 0 { terms.append("\(retries) \(retries == 1 ? "retry" : "retries")") }
        if let timeoutMs { terms.append("timeout \(timeoutMs) ms") }
        if allowFailure { terms.append("may fail") }
        return terms
    }
}
