extension StepSpec {
    /// All texts of the step that are filled in when it runs, but for its condition.
    var templates: [Template] { action.templates + environment.map(\.value) }
}

extension StepAction {
    /// All texts that are filled in when it is done.
    var templates: [Template] {
        switch self {
        case .command(let words): words
        case .shell(let line): [line]
        case .sqlFile: []
        case .batch(_, _, let period): period.map { [$0] } ?? []
        case .waitForFile(let template), .waitForRow(let template): [template]
        }
    }
}
