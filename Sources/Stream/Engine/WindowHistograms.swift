/// The histograms of one window, by entry and number, each in the order of its buckets.
///
/// Put in order once a window: looking through all buckets of the window for each group would take the square of the groups.
struct WindowHistograms {
    typealias Bucket = (bucket: Int64, count: Int64)
    private var buckets: [Int64: [Bucket]] = [:]

    init(_ window: WindowPointer) {
        for (key, count) in window.pointee.histograms {
            buckets[Self.index(Int(key.entry), Int(key.histogram)), default: []].append((key.bucket, count))
        }
        for key in buckets.keys { buckets[key]?.sort { $0.bucket < $1.bucket } }
    }

    /// Empty where no value was added.
    func buckets(_ entry: Int, _ histogram: Int) -> [Bucket] { buckets[Self.index(entry, histogram)] ?? [] }

    private static func index(_ entry: Int, _ histogram: Int) -> Int64 { Int64(entry) << 32 | Int64(histogram) }
}
