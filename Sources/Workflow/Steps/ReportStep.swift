internal import Foundation
internal import HTTP
internal import Problems
internal import YAML

/// `report: FILE` with `by` and `period`: the analytics as one HTML page, as `taxi-cli report` writes it; `bytes` is its output.
struct ReportStep: StepAction {
    static let kind = "report"
    static let outputs = ["bytes"]
    static let declared = StepKind(kind, keys: ["by", "period"]) { (declaration) throws(Problem) in
        try ReportStep(declaration.value, of: declaration.step)
    }

    let file: Template
    let by: String?
    let period: Template?

    init(_ node: YAMLNode, of step: YAMLNode) throws(Problem) {
        file = try node.template()
        by = try step["by"]?.choice(among: BatchStep.periodKinds, of: "kind of period")
        period = try step["period"]?.template()
    }

    var templates: [Template] { [file] + (period.map { [$0] } ?? []) }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        guard let report = attempt.surroundings.report else { throw StepAttempt.unknown("write a report") }
        let path = try attempt.path(filling: file)
        let html = Array(try attempt.interruptible { try report(by, try period.map(attempt.fill), $0) }.utf8)
        try HTTPRequest.checkDestination(path)
        let folder = (path as NSString).deletingLastPathComponent
        if !folder.isEmpty { try Files.makeFolders(folder, mode: 0o777) }
        try Files.replace(path, with: html)
        attempt.log.add(line: "\(path), \(html.count) bytes")
        return AttemptEnd(state: .success, outputs: ["bytes": "\(html.count)"])
    }
}
