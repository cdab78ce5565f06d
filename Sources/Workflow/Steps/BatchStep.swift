internal import Problems
internal import YAML

/// `batch: ANALYSIS` with `by` and `period`: an analysis of `taxi-cli batch`, or all; or `extract`, which looks that the period's results are
/// complete, or `preprocess`, which rolls its days up. `rows` is its output.
struct BatchStep: StepAction {
    static let kind = "batch"
    static let outputs = ["rows"]
    static let declared = StepKind(kind, keys: ["by", "period"]) { (declaration) throws(Problem) in
        try BatchStep(declaration)
    }
    static let periodKinds = ["month", "quarter", "year"]
    private static let own = [
        "extract", "preprocess", "fare-trend", "accumulated", "area-hotspots", "location-hotspots", "all",
    ]

    let analysis: String
    let by: String?
    let period: Template?

    init(_ declaration: StepDeclaration) throws(Problem) {
        let step = declaration.step
        by = try step["by"]?.choice(among: Self.periodKinds, of: "kind of period")
        period = try Self.periods(step["period"], declaration.vocabulary)
        analysis = try Self.analysis(declaration.value, declaration.vocabulary)
    }

    /// One of taxi-cli's own, or of those that the tenant has declared, which are only read where a step names one.
    private static func analysis(_ node: YAMLNode, _ vocabulary: StepVocabulary) throws(Problem) -> String {
        let name = try node.text()
        if own.contains(name) { return name }
        let names: [String]
        do throws(Problem) { names = try vocabulary.analyses?.read() ?? [] } catch {
            throw node.problem(
                "analysis \"\(name)\" cannot be looked up: \(error.message)",
                hint: "taxi-cli batch --list shows what is wrong with the declared analyses.")
        }
        return try node.choice(among: own + names, of: "analysis")
    }

    private static func periods(_ node: YAMLNode?, _ vocabulary: StepVocabulary) throws(Problem) -> Template? {
        guard let node else { return nil }
        let periods = try node.template()
        guard periods.references.isEmpty, let check = vocabulary.checkPeriods else { return periods }
        do throws(Problem) { try check(periods.source) } catch { throw node.problem(error.message, hint: error.hint) }
        return periods
    }

    var templates: [Template] { period.map { [$0] } ?? [] }

    func text(_ values: TemplateValues) -> String {
        let options = [by.map { "--by \($0)" }, period.map { "--period \(values.fillKnown($0))" }]
        return ([analysis] + options.compactMap { $0 }).joined(separator: " ")
    }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        attempt.rows(
            try attempt.interruptible { try attempt.surroundings.batch(analysis, by, period.map(attempt.fill), $0) })
    }
}
