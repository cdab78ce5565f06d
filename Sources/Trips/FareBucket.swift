import Foundation

/// The log buckets of `fareDistribution` and of quantiles: bucket i holds amounts in (γ^(i-1), γ^i] cents with γ = 1.005/0.995, so
/// that one value stands for all of a bucket within 0.5 %, and histograms merge by adding counts.
///
/// Numbers are in the order of the amounts: zero is -1, and -2 - i mirrors bucket i below zero.
///
/// Source: Masson, Rim and Lee, "DDSketch", PVLDB 12(12), 2019.
public enum FareBucket {
    public static let gamma = 1.005 / 0.995
    public static let zero: Int64 = -1
    /// The bucket of the largest integer (Int64.max cents), and its mirror.
    public static let last: Int64 = index(above: Int64.max.magnitude)
    public static let first: Int64 = mirrored(last)
    /// All buckets, ascending.
    public static var all: ClosedRange<Int64> { first...last }

    /// The bucket of a fare.
    @inline(__always)
    public static func index(ofCents cents: Cents) -> Int64 {
        if cents > 0, cents < small.count { return Int64(small[Int(cents)]) }
        return rareIndex(of: cents)
    }

    @inline(never)
    private static func rareIndex(of cents: Cents) -> Int64 {
        if cents > 0 { return index(above: cents.magnitude) }
        if cents == 0 { return zero }
        let amount = cents.magnitude
        return mirrored(amount < small.count ? Int64(small[Int(amount)]) : index(above: amount))
    }

    /// The bucket of the same amounts with the other sign.
    private static func mirrored(_ bucket: Int64) -> Int64 { -2 - bucket }

    /// Bounds of a bucket in dollars: (from, to] above zero, [from, to) below, 0…0 for zero.
    public static func dollars(of bucket: Int64) -> (from: Double, to: Double) {
        if bucket == zero { return (0, 0) }
        if bucket < zero {
            let (from, to) = dollars(of: mirrored(bucket))
            return (-to, -from)
        }
        return (pow(gamma, Double(bucket - 1)) / 100, pow(gamma, Double(bucket)) / 100)
    }

    /// The value that stands for a bucket, in cents: as many parts of itself from the least as from the greatest whole cent that the
    /// bucket holds, which is at most 0.5 % from either; the cent itself where it holds one only, as all below a dollar do.
    public static func middle(of bucket: Int64) -> Double {
        if bucket == zero { return 0 }
        if bucket < zero { return -middle(of: mirrored(bucket)) }
        let (least, greatest) = (
            pow(gamma, Double(bucket - 1)).rounded(.down) + 1, pow(gamma, Double(bucket)).rounded(.down)
        )
        // Some of the buckets of small amounts lie between two cents, and hold none.
        guard least <= greatest else { return 2 * pow(gamma, Double(bucket)) / (gamma + 1) }
        return 2 * least * greatest / (least + greatest)
    }

    /// Fares up to 327.67 dollars, nearly all of them, by table.
    private static let small: [Int16] = (0..<32768).map { $0 == 0 ? -1 : Int16(index(above: $0)) }

    private static let logGamma = log(gamma)

    private static func index(above amount: UInt64) -> Int64 {
        Int64((log(Double(amount)) / logGamma).rounded(.up))
    }
}

/// A share of values as a decimal fraction, so that ranks are exact: 0.07 of 100 values are 7, which 0.07 * 100 is not.
public struct DecimalShare: Sendable, Equatable {
    public var numerator: Int64
    public var denominator: Int64

    /// - Parameter share: from 0 to 1.
    public init(_ share: Double) {
        // 15 digits are what a Double tells apart.
        var denominator: Int64 = 1
        while denominator < 1_000_000_000_000_000,
            (share * Double(denominator)).rounded() / Double(denominator) != share
        { denominator *= 10 }
        (numerator, self.denominator) = (Int64((share * Double(denominator)).rounded()), denominator)
    }

    /// Whether `part` of `total` values are at least this share of them, and one at least: the first such part ends with the quantile.
    ///
    /// So a quantile is the inverse of the empirical distribution, SQL's `percentile_disc`.
    public func isReached(by part: Int64, of total: Int64) -> Bool {
        part > 0 && Int128(part) * Int128(denominator) >= Int128(numerator) * Int128(total)
    }
}
