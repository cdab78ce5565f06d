/// How many records may be taken in a second, on the mean; what was taken too early is waited for afterwards.
///
/// A value that knows no clock: whoever asks says when it is.
public struct RateLimit: Sendable, Equatable {
    public let perSecond: Double
    /// The time, ns, at which everything that was taken until now was due.
    private var paidNs: Int64?

    /// What may be taken at once after a pause, as the time in which it would be due.
    static let burstNs: Int64 = 100_000_000

    /// - Parameter perSecond: more than zero.
    public init(perSecond: Double) { self.perSecond = perSecond }

    /// Notes that so many were taken.
    public mutating func take(_ count: Int, atNs now: Int64) {
        let from = max(paidNs ?? now, now - Self.burstNs)
        paidNs = from + Int64(min(9e17, Double(count) / perSecond * 1e9))
    }

    /// How long nothing may be taken yet; 0 where something may.
    public func waitNs(atNs now: Int64) -> Int64 { max(0, (paidNs ?? now) - now) }
}
