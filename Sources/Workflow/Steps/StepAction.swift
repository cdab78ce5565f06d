internal import Problems
internal import YAML

/// What a step does. Each kind is a file of its own here, and a line of `StepKind.all`.
protocol StepAction: Sendable {
    /// The key that declares it.
    static var kind: String { get }
    /// What it leaves behind for `{{ steps.NAME.KEY }}`, besides `state`.
    static var outputs: [String] { get }
    /// All texts that are filled in when it is done.
    var templates: [Template] { get }
    /// What it does, in words that are filled in as far as their values are known.
    func text(_ values: TemplateValues) -> String
    /// The files that say what it does, as far as they are known before it begins.
    ///
    /// - Parameter folder: the workflow's own.
    func scripts(in folder: String) -> [String]
    func run(_ attempt: StepAttempt) throws -> AttemptEnd
}

extension StepAction {
    var kind: String { Self.kind }
    func text(_ values: TemplateValues) -> String { templates.map { values.fillKnown($0) }.joined(separator: " ") }
    func scripts(in folder: String) -> [String] { [] }
}

/// How steps of one kind are declared: by a key, whose value and some more keys say what is done.
struct StepKind: Sendable {
    let name: String
    /// The keys that it takes beside its own.
    let keys: [String]
    let read: @Sendable (StepDeclaration) throws(Problem) -> any StepAction

    init(
        _ name: String, keys: [String] = [],
        read: @escaping @Sendable (StepDeclaration) throws(Problem) -> any StepAction
    ) {
        (self.name, self.keys, self.read) = (name, keys, read)
    }

    /// In the order in which messages name them.
    static let all = [
        BatchStep.declared, ReportStep.declared, PublishStep.declared, MLStep.declared, SQLStep.declared,
        CommandStep.declared, ShellStep.declared, HTTPStep.declared, S3Step.declared, SNSStep.declared,
        WaitStep.declared, WorkflowStep.declared,
    ]

    static func named(_ name: String) -> StepKind? { all.first { $0.name == name } }
}

/// A step that is being read.
struct StepDeclaration {
    /// Of its kind's key.
    let value: YAMLNode
    let step: YAMLNode
    /// The workflow's own.
    let folder: String
    let vocabulary: StepVocabulary
    /// Read where a step runs another workflow.
    let calls: WorkflowCalls
}
