/// SQL that turns stored numbers into what people read, for views and queries over `results.db`.
///
/// The arguments are SQL expressions (column names, mostly) and may be used more than once in the result.
public enum ViewSQL {
    /// UTC ms as `2024-01-22T13:45:00.000-06:00`, with the offset that the tenant's zone has at that instant; NULL of NULL.
    public static func isoTime(_ ms: String) -> String {
        // strftime counts in whole ms inside, so the fraction is exact.
        """
        (SELECT strftime('%Y-%m-%dT%H:%M:%f', ((\(ms)) + z.offset_s * 1000) / 1000.0, 'unixepoch') \
        || printf('%s%02d:%02d', iif(z.offset_s < 0, '-', '+'), abs(z.offset_s) / 3600, abs(z.offset_s) / 60 % 60) \
        FROM zone_offsets AS z WHERE z.from_ms <= (\(ms)) ORDER BY z.from_ms DESC LIMIT 1)
        """
    }

    /// Cents as dollars; NULL of NULL.
    public static func dollars(_ cents: String) -> String { "((\(cents)) / 100.0)" }

    /// The mean of `n` amounts in cents as dollars with two decimals, half a cent away from zero; NULL where `n` is 0 or NULL.
    ///
    /// All in integers: exact for sums up to 4.6e18 cents.
    public static func mean(_ sum: String, _ n: String) -> String {
        """
        (CASE WHEN (\(n)) > 0 THEN iif((\(sum)) < 0, -1, 1) * ((2 * abs(\(sum)) + (\(n))) / (2 * (\(n)))) / 100.0 END)
        """
    }

    /// The start of the local day after the one that begins at `ms`, in UTC ms from 1970 on.
    ///
    /// It is the next midnight of the wall clock by the offset at `ms` (a zone that skips midnight begins its day later), put
    /// right by a change of the offset on the way, and not before that change.
    public static func nextLocalDay(_ ms: String) -> String {
        """
        (SELECT max(d.same_offset_ms + (d.offset_s - z.offset_s) * 1000, z.from_ms) FROM \
        (SELECT ((((\(ms)) / 1000 + o.offset_s) / 86400 + 1) * 86400 - o.offset_s) * 1000 AS same_offset_ms, \
        o.offset_s AS offset_s FROM zone_offsets AS o \
        WHERE o.from_ms <= (\(ms)) ORDER BY o.from_ms DESC LIMIT 1) AS d \
        JOIN zone_offsets AS z ON z.from_ms <= d.same_offset_ms ORDER BY z.from_ms DESC LIMIT 1)
        """
    }
}
