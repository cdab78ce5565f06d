/// What a step does; each kind of more than a line is a file of its own here.
public enum StepAction: Sendable {
    /// A program and its arguments; no shell reads them.
    case command([Template])
    /// A line for `/bin/sh -c`.
    case shell(Template)
    /// SQL of a file, run on the tenant's results in one transaction.
    case sqlFile(path: String)
    /// An analysis of `taxi-cli batch`, or all; or `extract`, which looks that the period's results are complete, or `preprocess`,
    /// which rolls its days up.
    case batch(analysis: String, by: String?, period: Template?)
    /// Waits until a file is there.
    case waitForFile(Template)
    /// Waits until a query gives a row.
    case waitForRow(SQLTemplate)
    /// Waits until a topic has got so many records.
    case waitForRecords(topic: Template, offset: Int64)
    case http(HTTPStep)
    case s3(S3Step)
    case sns(SNSStep)
    case ml(MLStep)
    /// Asks a model of ml.yaml about what is new.
    case model(String)
    case report(ReportStep)
    case publish(PublishStep)
    case workflow(WorkflowStep)

    /// The key that declares it.
    public var kind: String {
        switch self {
        case .command: "shell"
        case .shell: "sh"
        case .sqlFile: "sql"
        case .batch: "batch"
        case .waitForFile, .waitForRow, .waitForRecords: "wait"
        case .http: "http"
        case .s3: "s3"
        case .sns: "sns"
        case .ml, .model: "ml"
        case .report: "report"
        case .publish: "publish"
        case .workflow: "workflow"
        }
    }

    /// What it leaves behind for `{{ steps.NAME.KEY }}`, besides `state`.
    var outputs: [String] {
        switch self {
        case .command, .shell: ["exit", "output"]
        case .sqlFile, .batch, .ml, .model, .publish: ["rows"]
        case .waitForFile, .waitForRow, .waitForRecords: []
        case .http: ["status", "body"]
        case .s3: ["bytes", "etag"]
        case .sns: ["message_id"]
        case .report: ["bytes"]
        case .workflow: ["run_id"]
        }
    }

    /// All texts that are filled in when it is done.
    var templates: [Template] {
        switch self {
        case .command(let words): words
        case .shell(let line): [line]
        case .sqlFile, .model: []
        case .batch(_, _, let period): period.map { [$0] } ?? []
        case .waitForFile(let template), .waitForRecords(let template, _): [template]
        case .waitForRow(let sql): [sql.template]
        case .http(let step): step.templates
        case .s3(let step): step.templates
        case .sns(let step): step.templates
        case .ml(let step): step.templates
        case .report(let step): step.templates
        case .publish(let step): step.templates
        case .workflow(let step): step.templates
        }
    }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        switch self {
        case .command(let words): try attempt.command(words.map(attempt.fill))
        case .shell(let line): try attempt.command(["/bin/sh", "-c", attempt.fill(line)])
        case .sqlFile(let path): try attempt.sql(path)
        case .batch(let analysis, let by, let period):
            attempt.rows(
                try attempt.interruptible {
                    try attempt.surroundings.batch(analysis, by, period.map(attempt.fill), $0)
                })
        case .waitForFile(let name): try attempt.waitForFile(name)
        case .waitForRow(let sql): try attempt.waitForRow(sql)
        case .waitForRecords(let topic, let offset): try attempt.waitForRecords(attempt.fill(topic), offset)
        case .http(let step): try step.run(attempt)
        case .s3(let step): try step.run(attempt)
        case .sns(let step): try step.run(attempt)
        case .ml(let step): try step.run(attempt)
        case .model(let name): try attempt.model(name)
        case .report(let step): try step.run(attempt)
        case .publish(let step): try step.run(attempt)
        case .workflow(let step): try step.run(attempt)
        }
    }
}
