/// Who computes ranges: ranges in, partials out.
///
/// A stream's own threads need none: they are given records that are read already, and add to its states without a byte between. Whatever else
/// starts `taxi-cli worker`, here or on other machines, is an engine: it knows nothing of epochs, lateness or checkpoints, and may run a range twice.
package protocol RangeEngine: AnyObject {
    /// Ranges that it takes at once; nil for as many as there are partitions.
    var parallel: Int? { get }
    /// How many it computes at the same time, once that is known.
    var cores: Int? { get }
    /// Starts what is to be started before that is known.
    ///
    /// - Returns: false where it was to stop.
    func prepare(shouldStop: () -> Bool) throws -> Bool
    /// The version of the taxi-cli that its workers are.
    var build: String { get }
    /// Computes ranges, each by a worker that is given the plan's frame and the range's, and behind them what the
    /// range is of, where that is part of a file.
    ///
    /// - Parameters:
    ///   - shouldStop: asked while it waits.
    ///   - read: makes a partial of what the worker of a range, by its number, has written. What it refuses with `.badData` is garbage, and may be asked again.
    /// - Returns: the partials, in the order of the ranges; nil where it was to stop.
    /// - Throws: `Problem` where no worker will compute them; the stream ends, and what was committed stays.
    func compute<Partial>(
        plan: [UInt8], tasks: [RangeTask], shouldStop: () -> Bool,
        read: (Int, [UInt8]) throws -> Partial
    ) throws -> [Partial]?
    /// One line on what it is at, for the progress; nil where there is nothing to say.
    var state: String? { get }
    func close()
}
