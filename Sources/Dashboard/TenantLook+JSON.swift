public import Monitoring

extension TenantLook {
    /// What the page *Now* shows, as one JSON object; see `/api/openapi.json`.
    ///
    /// - Parameter before: an earlier look, for rates.
    public func json(since before: TenantLook?) -> String {
        WatchServer.encode(NowReport(self, before: before, day: nil))
    }
}
