/// All texts of a step that are filled in when it runs, but for its condition.
extension StepSpec {
    var templates: [Template] { action.templates + environment.map(\.value) }
}
