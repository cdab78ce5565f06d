import Trips

/// Where a replay takes its trips from: `TripSource`, or a test's own.
protocol TripFeed: AnyObject {
    /// Counted from the start of the input, trips that were passed over included.
    var counts: TripCounts { get }
    /// Fills the batch with the next trips; false at the end. With none where rejects have to be taken first.
    func next(into batch: TripBatch) throws -> Bool
    /// The rejects met since the last call, in the order of the input; a resumed feed gives those of the earlier run as well.
    func takeRejects() -> [Reject]
    /// - Throws: `Problem(.inputOutput)` where a file has changed since the replay began, so that what was read from it must not be stored.
    func requireUnchanged() throws
}

extension TripFeed {
    func requireUnchanged() {}
}

/// Makes a feed that passes over the first trips and ends after so many (those passed over included).
typealias TripFeedMaker = (_ skip: Int, _ limit: Int?) throws -> any TripFeed

private final class SourceFeed: TripFeed {
    private let source: TripSource
    init(_ source: TripSource) { self.source = source }
    var counts: TripCounts { source.counts }
    func next(into batch: TripBatch) throws -> Bool { try source.next(into: batch) }
    func takeRejects() -> [Reject] { source.takeRejects() }
    func requireUnchanged() throws { try source.requireUnchanged() }
}

/// Feeds from the files of `options`; what a user should know about them is told once.
///
/// - Parameters:
///   - watch: of the files, as they were when the replay began; each pass over them must find the same.
///   - ahead: which event times are too far ahead.
func sourceFeeds(
    of options: ReplayOptions, watch: InputWatch, ahead: MaxAhead?, onWarning: @escaping (String) -> Void,
    onIndexing: ((_ done: Int, _ of: Int) -> Void)?
) -> TripFeedMaker {
    // Each pass over the files finds the same.
    var warned: Set<String> = []
    return { skip, limit in
        var sourceOptions = options.source
        (sourceOptions.skip, sourceOptions.limit, sourceOptions.ahead) = (skip, limit, ahead)
        try watch.requireUnchanged()
        let source = try TripSource(
            paths: options.paths, options: sourceOptions, watch: watch, progress: onIndexing
        ) { warning in
            if warned.insert(warning).inserted { onWarning(warning) }
        }
        return SourceFeed(source)
    }
}
