/// Which topics of a cluster are a tenant's: those that its name and `_` begin, unless a longer tenant's name does.
///
/// `a_b_ingestData` is of tenant `a_b`, though `a_` begins it too. Tenants are known from the home, and from the cluster: each has a topic
/// that trips or dead letters go to.
public struct TopicOwnership: Sendable {
    private let tenant: String
    /// Tenants whose names this one's begins.
    private let longer: Set<String>

    private static let endings = ["_ingestData", "_deadLetter"]

    /// - Parameters:
    ///   - tenant: "" for whoever owns all topics.
    ///   - others: tenants that are known, this one among them or not.
    ///   - names: of all topics.
    public init(tenant: String, others: [String], among names: [String]) {
        self.tenant = tenant
        let found = names.flatMap { name in
            Self.endings.filter(name.hasSuffix).map { String(name.dropLast($0.count)) }
        }
        longer = Set((others + found).filter { $0.hasPrefix("\(tenant)_") })
    }

    public func isOwn(_ topic: String) -> Bool {
        tenant.isEmpty || topic.hasPrefix("\(tenant)_") && owner(of: topic) == nil
    }

    /// The other tenant whose topic it is, where it looks like this one's; nil where it does not, and where it is this one's.
    public func owner(of topic: String) -> String? {
        let itself = Self.endings.filter(topic.hasSuffix).map { String(topic.dropLast($0.count)) }
            .filter { $0.hasPrefix("\(tenant)_") }
        return tenant.isEmpty ? nil : (longer.filter { topic.hasPrefix("\($0)_") } + itself).max { $0.count < $1.count }
    }
}
