import Problems
public import Shares
public import Telemetry
public import Topics
public import Time
import Trips

/// Replays trips into topics at a pace, exactly once: every commit carries its records, its rejects and the position behind them.
///
/// `run` blocks; call it on a thread that may. Parsing and encoding happen on the calling thread, storing on another one.
/// `@unchecked Sendable`: used by one thread; `RateControl` and the stop closure are what others may reach it by.
public final class Replayer: @unchecked Sendable {
    public let options: ReplayOptions
    /// Where a new pace may be asked for while the replay runs.
    public let rateControl = RateControl()
    /// Told what a user should know about the files, before the first trip is sent.
    public var onWarning: (String) -> Void = { Logger("replay").warning($0) }
    /// Told how many bytes of how many were seen, while the order of the trips is looked for (clocks `start` and `end`).
    public var onIndexing: ((_ done: Int, _ of: Int) -> Void)?
    /// Told how the replay is doing, at most ten times a second, by the thread that runs it.
    public var onProgress: ((ReplayProgress) -> Void)?
    /// Where the replay keeps its live numbers.
    public var metrics = LiveMetrics()
    /// What the replay may use of the machine.
    public var share = WorkShare()
    /// What was done; complete once `run` has returned or thrown, for a failed run as well.
    public private(set) var summary: ReplaySummary?

    private let output: any ReplayOutput
    private let clock: any WallClock
    private let commitDepth: Int
    private let feeds: TripFeedMaker?
    /// The stored input whose content was compared with this run's.
    private var compared: [InputIdentity]?
    /// What was said of the files.
    private var warned: Set<String> = []

    /// A replay into topics, which are made where they are missing.
    public convenience init(options: ReplayOptions, store: any TopicStore, clock: any WallClock = SystemClock()) {
        let output = TopicOutput(store: store, options: options)
        self.init(options: options, output: output, clock: clock)
    }

    /// A replay into lines of text: nothing is stored, so there is nothing to resume.
    ///
    /// - Parameter write: passes the lines on; what it throws ends the replay.
    public convenience init(
        options: ReplayOptions, render: @escaping LineRenderer,
        write: @escaping (UnsafeRawBufferPointer) throws -> Void,
        clock: any WallClock = SystemClock()
    ) {
        self.init(options: options, output: LineOutput(render: render, write: write), clock: clock)
    }

    /// - Parameters:
    ///   - commitDepth: how many commits may wait for the disk; 0 stores them on the calling thread.
    ///   - feeds: nil reads the files of `options`.
    init(
        options: ReplayOptions, output: any ReplayOutput, clock: any WallClock, commitDepth: Int = 2,
        feeds: TripFeedMaker? = nil
    ) {
        (self.options, self.output, self.clock) = (options, output, clock)
        (self.commitDepth, self.feeds) = (commitDepth, feeds)
    }

    /// Replays until the input ends, the limit is reached or `isStopped` says so; then nothing is on its way any more.
    ///
    /// - Parameter isStopped: asked at least ten times a second; true ends the run after a last commit.
    /// - Throws: `Problem`: `.usage` for a resumption with another input or other options, `.badData` where too much is rejected or a
    ///   resumption finds other bytes in a file, `.noInput`, `.inputOutput` (also where a file has changed under way), and whatever the
    ///   topics throw. What was sent before is stored, with its position.
    @discardableResult
    public func run(isStopped: @escaping () -> Bool = { false }) throws -> ReplaySummary {
        let readsFiles = feeds == nil
        let pipe = options.paths.first { $0 == "-" || readsFiles && !InputIdentity.canBeReadAgain($0) }
        if let pipe, options.isLooping || options.isResuming {
            let name = pipe == "-" ? "standard input" : "\"\(pipe)\""
            throw Problem(
                .usage,
                "\(name) can be read once only, "
                    + (options.isLooping
                        ? "and --loop reads it again" : "so that --resume cannot go on where it stopped"),
                hint: "Give a file, or leave \(options.isLooping ? "--loop" : "--resume") out.")
        }
        // Begins before the first look at a file: from here on all must stay as they are.
        let watch = InputWatch(paths: readsFiles ? options.paths : [])
        var input: [InputIdentity] = []
        if readsFiles { for path in options.paths { input.append(try InputIdentity(path: path)) } }
        input = InputIdentity.compacted(input)

        var fresh = ReplayPosition(input: input, options: options.sequence)
        fresh.startedMs = clock.nowMs
        // What will be refused is refused before another process of this name is ended and anything is made: first all is looked at.
        let seen = try output.look()
        let expected = try resumed(from: seen, fresh) ?? fresh
        let expectedFeeds = feeds ?? sourceFeeds(from: expected, watch)
        var prepared = expected.isFinished ? nil : try expectedFeeds(expected.pass.sent, expected.limit(options))

        let stored = try output.open()
        var contents: ContentHash?
        defer { contents?.stop() }
        var position = fresh
        if let resumed = try resumed(from: stored, fresh) {
            position = resumed
        } else {
            // A fresh start is stored before its first record, or a resumption after an early crash would go on from an older run.
            try output.commit(output.seal(position: position.encoded()))
        }
        if output.keepsPositions, position.input.contains(where: { $0.hash != nil && $0.content == nil }) {
            contents = ContentHash(paths: options.paths)
        }
        // Another process may have gone on meanwhile; as a rule it has not, and the input is opened already.
        if position.pass != expected.pass || position.startedMs != expected.startedMs { prepared = nil }
        let nextFeeds = feeds ?? sourceFeeds(from: position, watch)
        let feeds: TripFeedMaker = { skip, limit in
            defer { prepared = nil }
            return try prepared ?? nextFeeds(skip, limit)
        }
        let live = ReplayMetrics(metrics, topic: options.ingestTopic)
        let run = ReplayRun(
            options: options, position: position, output: output, feeds: feeds, contents: contents, clock: clock,
            commitDepth: commitDepth, control: rateControl, isStopped: isStopped, onProgress: onProgress,
            metrics: live)
        run.share = share
        defer {
            summary = run.summary
            live.end()
        }
        try run.run()
        return run.summary
    }

    /// By which clock a replay of these files has judged what is too far ahead; nil where the store knows of none.
    ///
    /// - Throws: `Problem(.noInput)` for a file that is not there, and what the store throws.
    public static func startedMs(ofReplayOf paths: [String], in store: any TopicStore) throws -> EventTime? {
        let input = InputIdentity.compacted(try paths.map { path throws(Problem) in try InputIdentity(path: path) })
        // Positions of other producers are none of a replay's.
        let positions = try store.marks(ofProducers: "produce", known: ["produce"]).compactMap { mark in
            try? ReplayPosition(decoding: mark.position, producer: mark.producer)
        }
        return positions.last { position in
            position.input.count == input.count && zip(position.input, input).allSatisfy { $0.looksLike($1) }
        }?.startedMs
    }

    private func sourceFeeds(from position: ReplayPosition, _ watch: InputWatch) -> TripFeedMaker {
        let ahead =
            options.source.clock == .now
            ? nil : MaxAhead(nowMs: position.startedMs ?? clock.nowMs, aheadMs: options.maxAheadMs)
        return Replay.sourceFeeds(
            of: options, watch: watch, ahead: ahead,
            onWarning: { [self] text in
                if warned.insert(text).inserted { onWarning(text) }
            }, onIndexing: onIndexing)
    }

    /// The position that an earlier run has stored, where this one reads the same trips in the same order; nil where none is to be gone
    /// on from.
    private func resumed(from stored: [UInt8]?, _ fresh: ReplayPosition) throws -> ReplayPosition? {
        guard options.isResuming, let stored, !stored.isEmpty else { return nil }
        let input = fresh.input
        var earlier = try ReplayPosition(decoding: stored, producer: options.producer)
        try earlier.check(input: input, options: options.sequence)
        let isCompared = compared == earlier.input
        compared = earlier.input
        if isCompared {
            // The first look has told.
            if earlier.isOfEarlierVersion { earlier.options = options.sequence }
        } else if earlier.isOfEarlierVersion, input.contains(where: { $0.hash != nil }) {
            onWarning(
                "an earlier version began this replay, and noted neither the zone nor all bytes of the files: make sure that they are what they were"
            )
            earlier.options = options.sequence
        } else if earlier.mayDiffer(from: input) {
            let total = input.reduce(0) { $0 + Int($1.size ?? 0) }
            var done = 0
            let hashes = try options.paths.map { path in
                var size = 0
                let hash = try ContentHash.hash(
                    of: path,
                    progress: { bytes in
                        size = bytes
                        onIndexing?(done + bytes, total)
                    })
                done += size
                return hash ?? ""
            }
            try earlier.checkContent(of: InputIdentity.noting(hashes, in: input))
        }
        for index in earlier.input.indices where index < input.count { earlier.input[index].stamp = input[index].stamp }
        earlier.startedMs = earlier.startedMs ?? fresh.startedMs
        return earlier
    }
}
