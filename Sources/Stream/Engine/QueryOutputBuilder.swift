import Topics
import Time
import Trips

/// What is stored of the windows of one query that are closed.
protocol ClosedWindows: AnyObject {
    /// What the groups' ids stand for.
    var keys: GroupKeys { get }
    /// The window that starts at `start` with its revision, as the last epoch that was cut left it; nil where none is stored. It is
    /// the caller's until `release`.
    ///
    /// - Throws: `Problem` where the results cannot be read, or an epoch before failed.
    func window(from start: EventTime) throws -> WindowPointer?
    func release(_ window: WindowPointer)
    /// Takes the starts of windows that the epoch which is cut now stores, in their order.
    func noteStored(_ starts: [EventTime])
    /// Whether an alert was raised for a group by a window that ends in `ends`, whatever has become of it since.
    func wasRaised(_ alert: String, group: Int64, ends: ClosedRange<EventTime>) throws -> Bool
}

/// Takes from a query's state what an epoch must write: changed windows, closed windows, messages.
///
/// Most of a fast run's time is spent here, so it works on whole windows, through buffers that it keeps from epoch to epoch.
final class QueryOutputBuilder {
    let state: QueryState
    private let query: Int
    private let plan: QueryPlan
    private let zone: ZoneClock
    // What the plan works out anew at each call.
    let isWindowed: Bool
    private let packsGroups: Bool
    let packsBareWords: Bool
    let stateKinds: [AggregatePlan.Column.Kind]
    private let isTextPart: [Bool]
    private let hasKeys: Bool
    /// Columns of storage that are texts.
    let textCount: Int
    /// nil where the query has no alerts.
    private var alerts: AlertEvaluator?
    /// What is stored of closed windows; nil where no trip is merged into one.
    private let closed: (any ClosedWindows)?
    /// No window that ends behind it has ever been stored as a closed one.
    private var closedBound: EventTime
    /// How many keys are in the database already.
    private var storedKeys: Int
    /// Bytes and messages of the epoch before: the next one takes as much room, and growing into it would copy all of it again and again.
    private var lastSize = (text: 0, messages: 0)
    private var sorter: EntrySorter

    /// - Parameters:
    ///   - closed: where to look for what trips that are late are to be merged into; nil where they are not.
    ///   - closedBound: up to where windows may be stored as closed ones.
    init(_ state: QueryState, query: Int, closed: (any ClosedWindows)? = nil, closedBound: EventTime = .min) {
        self.state = state
        self.query = query
        (self.closed, self.closedBound) = (closed, closedBound)
        plan = state.plan
        zone = state.zone
        isWindowed = plan.window.isWindowed
        packsGroups = plan.packsGroups
        packsBareWords = plan.packsBareWords
        stateKinds = plan.stateColumns.map(\.kind)
        isTextPart = plan.groups.map(\.isString)
        hasKeys = plan.keysTable != nil
        sorter = EntrySorter(plan)
        textCount = stateKinds.count(where: \.isText)
        storedKeys = state.keys.keys.count
        if !plan.alerts.isEmpty {
            alerts = AlertEvaluator(
                plan, zone: state.zone, progress: state.alertProgress, revises: closed != nil)
        }
    }

    /// Closes the windows that end at or before `watermark`; marks the others as unchanged.
    ///
    /// - Throws: `Problem(.badData)` where a sum left its words, and what looking for closed windows throws.
    func cut(watermark: Int64) throws -> QueryOutput {
        let touched = touchedWindows(watermark)
        try fetchClosed(among: touched)
        try state.requireNoOverflow()
        var builder = MessageBuilder(plan: plan, zone: zone, expectedMessages: lastSize.messages)
        var output = QueryOutput(query: query, messages: ResultColumns(columns: [], key: builder.key))
        output.rows.stride = packsGroups ? 0 : plan.words
        output.rows.textsPerRow = packsGroups ? 1 : textCount
        takeNewKeys(&output)
        // Locals, not properties: a class checks each access to a property for exclusivity, which would cost a tenth of the time.
        var text = OutputBuffer(capacity: max(1 << 16, lastSize.text))
        var order: [Int32] = []
        let ranks = hasKeys ? state.keys.order() : []
        output.rows.reserve(touched.count, isWindowed: isWindowed)
        var lastDay = Int64.min
        var lastEnd = EventTime.min
        for (_, window) in touched {
            state.derive(window, onlyChanged: !isWindowed)
            sorter.sort(window, ranks, into: &order)
            let histograms = WindowHistograms(window)
            guard isWindowed else {
                cutGroups(window, &order, histograms, &output, &text, &builder)
                continue
            }
            let isRevised = window.pointee.revision > 0
            // Late is late for good, also where the watermark has yet to come to what the end of a bounded run closed.
            let isLate = closed != nil && window.pointee.end <= closedBound
            let isClosed = isRevised || isLate || window.pointee.end <= watermark
            let sent = isClosed ? takeSent(window.pointee.start, &output) : 0
            if isClosed { window.pointee.revision = max(window.pointee.revision, sent) + 1 }
            let kept = kept(order, of: window)
            if kept.isEmpty {
                output.removed.append((window.pointee.start, window.pointee.revision))
            } else if packsGroups {
                pack(window, kept, histograms, &output.rows, &text)
            } else {
                store(window, 0, histograms, &output.rows, &text)
            }
            let day = builder.day(of: window.pointee.start)
            if day != lastDay {
                output.days.insert(day)
                lastDay = day
            }
            // Who has read the other groups of a window already reads nothing new of them.
            if isRevised, sent == 0 { order.removeAll { !window.pointee.groupChanged[Int($0)] } }
            if plan.emit == .append ? isClosed : window.pointee.isChanged || sent > 0 {
                builder.add(window, order, histograms, keys: state.keys)
            }
            guard isClosed else {
                window.pointee.isChanged = false
                continue
            }
            if isRevised || isLate {
                revised(window, order, histograms)
            } else {
                alerts?.close(window, order, histograms, keys: state.keys)
                lastEnd = max(lastEnd, window.pointee.end)
                state.windows.close(window)
            }
        }
        closedBound = max(closedBound, lastEnd)
        output.rows.text = Array(text.bytes)
        lastSize = (text.count, builder.count)
        output.messages.columns = builder.finish()
        if let closed {
            try alerts?.raiseRevised(closed)
            closed.noteStored(output.rows.ids)
        }
        if let taken = alerts?.take() {
            (output.alerts, output.alertProgress, output.alertRevisions) = taken
        }
        output.results = Int64(output.messages.count)
        return output
    }

    /// How often a window had gone out as a closed one before a rewind; 0 where it had not, or has since.
    private func takeSent(_ start: EventTime, _ output: inout QueryOutput) -> Int64 {
        guard !state.sentRevisions.isEmpty, let sent = state.sentRevisions.removeValue(forKey: start) else { return 0 }
        output.followed.append(start)
        return sent
    }

    /// The entries that are stored: all but those of groups that go.
    private func kept(_ order: [Int32], of window: WindowPointer) -> [Int32] {
        let first = window.pointee.withdrawnFrom
        return first < window.pointee.count ? order.filter { Int($0) < first } : order
    }

    /// Notes what was stored of a window that is about to be replaced.
    func remember(_ stored: WindowPointer) { alerts?.remember(stored, state.keys) }

    /// The changed groups of a query without windows: each is a row of its own.
    private func cutGroups(
        _ window: WindowPointer, _ order: inout [Int32], _ histograms: WindowHistograms, _ output: inout QueryOutput,
        _ text: inout OutputBuffer,
        _ builder: inout MessageBuilder
    ) {
        order.removeAll { !window.pointee.groupChanged[Int($0)] }
        for entry in order {
            if Int(entry) < window.pointee.withdrawnFrom {
                store(window, Int(entry), histograms, &output.rows, &text)
            } else {
                output.removed.append((window.pointee.groups[Int(entry)], 0))
            }
            if plan.groups == [.day] { output.days.insert(window.pointee.groups[Int(entry)]) }
            window.pointee.groupChanged[Int(entry)] = false
        }
        builder.add(window, order, histograms, keys: state.keys)
        window.pointee.isChanged = false
    }

    private func takeNewKeys(_ output: inout QueryOutput) {
        guard hasKeys else { return }
        let keys = state.keys.keys
        for id in storedKeys..<keys.count {
            output.newKeys.append((Int64(id), GroupKeys.parts(of: keys[id], isText: isTextPart)))
        }
        storedKeys = keys.count
    }

    /// Windows with something to write, by their start.
    private func touchedWindows(_ watermark: Int64) -> [(start: Int64, window: WindowPointer)] {
        var touched: [(start: Int64, window: WindowPointer)] = []
        touched.reserveCapacity(state.windows.open.count)
        var idle: [WindowPointer] = []
        for (start, window) in state.windows.open {
            if window.pointee.isChanged || (window.pointee.end <= watermark && window.pointee.revision == 0) {
                touched.append((start, window))
            } else if window.pointee.revision > 0 {
                window.pointee.idleEpochs += 1
                if window.pointee.idleEpochs > Self.longestIdle { idle.append(window) }
            }
        }
        for window in idle { state.windows.close(window) }
        touched.sort { $0.start < $1.start }
        return touched
    }

    /// Epochs for which a closed window is kept after the last trip that came late for it. Older trips come mostly in order too, so that
    /// the next ones are for the same window.
    private static let longestIdle = 4

    /// Adds what is stored of a closed window to the trips that came late for it.
    private func fetchClosed(among touched: [(start: Int64, window: WindowPointer)]) throws {
        guard let closed else { return }
        for (start, window) in touched where !window.pointee.isWhole {
            window.pointee.isWhole = true
            guard window.pointee.end <= closedBound, let found = try closed.window(from: start) else { continue }
            alerts?.remember(found, state.keys)
            state.merge(found, into: window, ids: nil)
            window.pointee.revision = found.pointee.revision
            closed.release(found)
        }
    }

    /// A window with trips that came late for it is stored as a closed one, for the first time or again.
    private func revised(_ window: WindowPointer, _ order: [Int32], _ histograms: WindowHistograms) {
        for entry in 0..<window.pointee.count { window.pointee.groupChanged[entry] = false }
        window.pointee.isChanged = false
        window.pointee.idleEpochs = 0
        guard alerts != nil else { return }
        alerts?.revise(window, order, histograms, state.keys)
        // Whoever looks at alerts has to know each time what was stored before.
        state.windows.close(window)
    }
}
