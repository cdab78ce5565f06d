import Trips

/// Pieces of the SQL of public views, beside `ViewSQL`. They use what every SQLite since 3.38 has, and no mathematical
/// functions, which the libraries of other tools may lack.
enum StorageSQL {
    /// A name in double quotes, whatever is in it.
    static func identifier(_ name: String) -> String {
        "\"\(name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
    }

    /// The start of the local day after the one that begins at `ms`, in UTC ms from 1970 on.
    ///
    /// It is the next midnight of the wall clock by the offset at `ms` (a zone that skips midnight begins its day later), put
    /// right by a change of the offset on the way, and not before that change.
    static func nextLocalDay(_ ms: String) -> String {
        """
        (SELECT max(d.same_offset_ms + (d.offset_s - z.offset_s) * 1000, z.from_ms) FROM \
        (SELECT ((((\(ms)) / 1000 + o.offset_s) / 86400 + 1) * 86400 - o.offset_s) * 1000 AS same_offset_ms, \
        o.offset_s AS offset_s FROM zone_offsets AS o \
        WHERE o.from_ms <= (\(ms)) ORDER BY o.from_ms DESC LIMIT 1) AS d \
        JOIN zone_offsets AS z ON z.from_ms <= d.same_offset_ms ORDER BY z.from_ms DESC LIMIT 1)
        """
    }

    /// What people read of an aggregate's stored state: dollars, decimals, averages; NULL where no value was added.
    static func result(of aggregate: AggregatePlan, _ states: [String]) -> String {
        let unit = aggregate.unit.decimals
        switch aggregate.function {
        case .count, .countField, .distinct: return states[0]
        case .min, .max: return scaled(states[0], unit)
        case .stddev: return scaled(states[0], aggregate.decimals)
        case .sum: return "CASE WHEN \(states[1]) > 0 THEN \(scaled(states[0], unit)) END"
        case .avg:
            let mean = mean(sum: states[0], count: states[1], shift: aggregate.decimals - unit)
            return "CASE WHEN \(states[1]) > 0 THEN \(scaled(mean, aggregate.decimals)) END"
        case .quantile(let share): return quantile(states[0], share, unitDecimals: unit, decimals: aggregate.decimals)
        }
    }

    /// An integer of `decimals` places as the number it stands for.
    private static func scaled(_ integer: String, _ decimals: Int) -> String {
        decimals == 0 ? integer : "(\(integer)) / \(power(decimals)).0"
    }

    /// `sum / count` as an integer of `shift` more (or fewer) decimal places, half away from zero.
    ///
    /// Whole quotient and remainder apart: a product with the whole sum would leave 64 bits, and SQLite would go on in floating point.
    private static func mean(sum: String, count: String, shift: Int) -> String {
        let divisor = shift < 0 ? "(\(count) * \(power(-shift)))" : count
        let rest = "(\(sum)) % \(divisor)" + (shift > 0 ? " * \(power(shift))" : "")
        let whole = "(\(sum)) / \(divisor)" + (shift > 0 ? " * \(power(shift))" : "")
        // An exact half needs an even divisor, so adding half of it rounded down is enough.
        return
            "(\(whole) + (\(rest) + CASE WHEN \(sum) < 0 THEN -(\(divisor) / 2) ELSE \(divisor) / 2 END) / \(divisor))"
    }

    /// What stands for the first bucket up to which at least `share` of the histogram's values are counted.
    private static func quantile(_ histogram: String, _ share: Double, unitDecimals: Int, decimals: Int) -> String {
        let share = DecimalShare(share)
        // What is rounded is what `AggregatePlan.result(histogram:)` rounds, so that both give the same digits.
        return """
            (SELECT round(f.middle_cents * \(power(decimals - unitDecimals)).0) / \(power(decimals)).0 \
            FROM (SELECT CAST(h.key AS INTEGER) AS bucket, sum(h.value) OVER (ORDER BY CAST(h.key AS INTEGER)) AS seen, \
            sum(h.value) OVER () AS total FROM json_each(\(histogram)) AS h) AS c \
            LEFT JOIN fare_buckets AS f ON f.bucket = c.bucket \
            WHERE c.seen > 0 AND c.seen * \(share.denominator) >= \(share.numerator) * c.total ORDER BY c.bucket LIMIT 1)
            """
    }

    private static func power(_ exponent: Int) -> String { "1" + String(repeating: "0", count: exponent) }
}
