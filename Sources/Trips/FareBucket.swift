import Foundation

/// The log buckets of `fareDistribution`: bucket i holds fares in (γ^(i-1), γ^i] cents with γ = 1.02/0.98, so the estimate
/// `2γ^i/(γ+1)` is within 2 % of every fare in it, and histograms merge by adding counts.
///
/// Zero and negative fares have buckets of their own: -1 and -2.
///
/// Source: Masson, Rim and Lee, "DDSketch", PVLDB 12(12), 2019.
public enum FareBucket {
    public static let gamma = 1.02 / 0.98
    public static let zero: Int64 = -1
    public static let negative: Int64 = -2
    /// The bucket of the largest fare that fits (Int64.max cents).
    public static let last: Int64 = index(above: .max)

    /// The bucket of a fare.
    @inline(__always)
    public static func index(ofCents cents: Cents) -> Int64 {
        if cents > 0, cents < small.count { return Int64(small[Int(cents)]) }
        if cents <= 0 { return cents == 0 ? zero : negative }
        return index(above: cents)
    }

    /// Bounds of a bucket in dollars, (from, to]; zero is 0…0, the negative bucket has no lower bound (nil).
    public static func dollars(of bucket: Int64) -> (from: Double?, to: Double) {
        switch bucket {
        case negative: (nil, 0)
        case zero: (0, 0)
        default: (pow(gamma, Double(bucket - 1)) / 100, pow(gamma, Double(bucket)) / 100)
        }
    }

    /// The fare that stands for a bucket, in cents; of the negative bucket nothing is known but its sign: -1 cent.
    public static func estimateCents(of bucket: Int64) -> Double {
        switch bucket {
        case negative: -1
        case zero: 0
        default: 2 * pow(gamma, Double(bucket)) / (gamma + 1)
        }
    }

    /// Fares up to 327.67 dollars, nearly all of them, by table.
    private static let small: [Int16] = (0..<32768).map { $0 == 0 ? -1 : Int16(index(above: Int64($0))) }

    private static func index(above cents: Cents) -> Int64 {
        Int64((log(Double(cents)) / log(gamma)).rounded(.up))
    }
}
