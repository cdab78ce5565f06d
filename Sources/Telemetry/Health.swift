/// The rules by which a tenant is healthy; the same for `status`, the dashboard, `/healthz` and the metric `taxi_health`.
public enum HealthRule: String, Sendable, CaseIterable {
    /// The topics can be looked at.
    case source
    /// Records that come in are read.
    case stream
    /// The stream keeps up.
    case lag
    /// Event time goes on while records come.
    case watermark
    /// Results go out while records go in.
    case results
    /// Less than half of the records are rejected.
    case rejects
    /// Less than half of the records are too late for their windows.
    case late
    /// Less than a tenth of the records go to the dead letters.
    case deadLetters = "dead_letters"
    /// There is room on the disk.
    case disk
    /// The last run of each command has not failed.
    case runs
    case batch
    case report
    /// The last run of each workflow has not failed.
    case workflows
    /// What serve runs for the tenant is at work, and takes trips in.
    case services
    /// The service of each model answers, or has not failed for long.
    case models
    /// What is stored is whole and can be read.
    case storage
}

/// A rule that does not hold, and why.
public struct HealthFinding: Sendable, Equatable {
    public var rule: HealthRule
    /// A sentence without a period.
    public var what: String
    /// What to do about it; nil where `what` says enough.
    public var remedy: String?
    /// ms UTC, where it is known.
    public var sinceMs: Int64?

    public init(_ rule: HealthRule, _ what: String, remedy: String? = nil, sinceMs: Int64? = nil) {
        (self.rule, self.what, self.remedy, self.sinceMs) = (rule, what, remedy, sinceMs)
    }
}
