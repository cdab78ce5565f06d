/// Which files a Trip ID stands in, in memory that grows neither with the files nor with their trips (some 50 MB).
///
/// Each ID that is kept has the number of a set of files. An ID that is met in a further file moves on to the set with that file, so that
/// its whole story is one number. Exact up to 2^21 IDs, an estimate within 0.1 % of all IDs beyond: see `DistinctSample`.
struct SharedTrips {
    private var sample: DistinctSample
    /// By number, the files of a set in the order in which they were read; 0 is the set without files.
    private var sets: [[Int]] = [[]]
    /// By the set that an ID had so far, the one with the present file too.
    private var further: [UInt32: UInt32] = [:]
    private var file = -1

    /// - Parameter capacity: how many IDs are kept; a power of two.
    init(capacity: Int = FileTally.exactTrips) { sample = DistinctSample(capacity: capacity) }

    /// Begins with the next file.
    mutating func begin() {
        file += 1
        further = [:]
    }

    @inline(__always)
    mutating func add(_ hash: UInt64) {
        guard let place = sample.insert(hash) else { return }
        let set = sample[place]
        // Within a file nothing is shared; `findings` counts what stands in it twice.
        if sets[Int(set)].last == file { return }
        sample[place] = next(after: set)
    }

    private mutating func next(after set: UInt32) -> UInt32 {
        if let known = further[set] { return known }
        let number = UInt32(sets.count)
        sets.append(sets[Int(set)] + [file])
        further[set] = number
        return number
    }

    var isExact: Bool { sample.isExact }

    /// How many IDs stand in exactly these files, for each set of two and more; the largest first.
    var shared: [(files: [Int], trips: Int)] {
        sample.numbers.map { (files: sets[Int($0.key)], trips: $0.value) }.filter { $0.files.count > 1 }
            .sorted { $0.trips != $1.trips ? $0.trips > $1.trips : $0.files.lexicographicallyPrecedes($1.files) }
    }
}
