/// Names of a tenant that its models may mean, and those that they must not take.
public struct ModelNames: Sendable {
    /// Topics that are not for answers, without the tenant's name, and what each of them has.
    public var topics = [
        "ingestData": "the trips", "deadLetter": "the dead letters", "deadLetterReplay": "what was sent again of them",
        "late": "late trips", "alerts": "the alerts", "control": "what rewinds tell",
    ]
    /// Tables and views that there are, or will be once queries and analyses have run, in lowercase; nil where that is not known.
    public var views: Set<String>?

    public init() {}
}
