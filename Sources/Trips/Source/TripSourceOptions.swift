public import Time
import Problems

/// Which moment of a trip is its event time.
public enum EventClock: String, Sendable, CaseIterable {
    /// The wall clock at sending, as a live source would stamp it.
    case now
    /// When the trip started.
    case start
    /// When the trip ended.
    case end
}

/// Where in its quarter of an hour a trip falls; the publisher rounds times to 15 minutes.
public enum Spread: String, Sendable, CaseIterable {
    /// At the mark.
    case none
    /// Anywhere, drawn by the seed and the trip's line.
    case uniform
    /// By the trip's own duration: seconds modulo 15 minutes after the mark.
    case byDuration = "by-duration"
}

/// Optional filters for junk rows; what they take out is counted by rule.
public enum Cleaning: String, Sendable, CaseIterable {
    /// Fare and total 1…1000 dollars, miles 0…250, seconds 30…21600, all given.
    ///
    /// Source: toddwschneider/chicago-taxi-data, prepare_analysis.sql.
    case standard
}

/// What is read from trip files, and in what order.
public struct TripSourceOptions: Sendable {
    public var clock: EventClock
    public var spread: Spread
    public var seed: UInt64
    public var cleaning: Cleaning?
    /// Names of companies in place of their spellings.
    public var aliases: CompanyAliases?
    /// Only trips with an event time at or after `from` and before `to`; with the clock `now` the trip's start decides.
    public var from: EventTime?
    public var to: EventTime?
    /// Stop after so many trips.
    public var limit: Int?
    /// The columns to decode, besides those that clock and cleaning need.
    public var fields: TripFieldSet
    /// Columns without which a file is refused, besides the clock's; `purpose` says in the message what for.
    public var required: TripFieldSet
    public var purpose: String
    /// Who needs a column of `required`, to be named where it is missing: of several queries those alone that read it.
    public var users: [TripField: [String]] = [:]
    /// Those of `required` that a file may lack whose kind never has them, such as a payment type in ride-hailing files.
    public var optional: TripFieldSet = []
    public var zone: ZoneClock
    /// So many trips are passed over, since an earlier run has delivered them.
    public var skip: Int
    /// With the clocks `start` and `end`: later trips are rejected as out of range. nil takes any time.
    public var ahead: MaxAhead?
    /// Goes on however many rows are rejected, instead of stopping when it is more than half.
    public var toleratesRejects = false
    /// Asked while files are read, and while nothing comes from a pipe: whether nobody waits for the trips any more. From any thread.
    public var isStopped: (@Sendable () -> Bool)?

    public init(
        clock: EventClock = .now, spread: Spread = .none, seed: UInt64 = 1, cleaning: Cleaning? = nil,
        from: EventTime? = nil, to: EventTime? = nil, limit: Int? = nil, fields: TripFieldSet = .all,
        required: TripFieldSet = TripFieldSet(.startTimestamp), purpose: String = "a replay", zone: ZoneClock,
        skip: Int = 0
    ) {
        (self.clock, self.spread, self.seed, self.cleaning) = (clock, spread, seed, cleaning)
        (self.from, self.to, self.limit, self.fields) = (from, to, limit, fields)
        (self.required, self.purpose, self.zone, self.skip) = (required, purpose, zone, skip)
    }

    /// The column that gives the event time, or by which `now` filters and orders nothing.
    var clockField: TripField { clock == .end ? .endTimestamp : .startTimestamp }

    /// Everything that must be decoded.
    var decodedFields: TripFieldSet {
        var fields = fields
        if clock != .now || from != nil || to != nil { fields.formUnion(TripFieldSet(clockField)) }
        if spread == .byDuration { fields.formUnion(TripFieldSet(.seconds)) }
        if cleaning != nil { fields.formUnion(TripFieldSet([.fare, .total, .miles, .seconds])) }
        return fields
    }

    /// - Throws: `.interrupted` where nobody waits for the trips any more.
    func goOn() throws(Problem) {
        guard isStopped?() != true else {
            throw Problem(.interrupted, "stopped while the trips were put in order of time")
        }
    }

    /// Files in which one may jump about: what is packed, or comes through a pipe, is spooled to one that has no name.
    func spooled(_ paths: [String]) throws(Problem) -> [RegularFile] {
        var opened: [RegularFile] = []
        for path in paths {
            let input = try InputBytes(path: path, isStopped: isStopped)
            opened.append(
                try input.spooled { bytes throws(Problem) in
                    try check(CSVHeader(sample: bytes, file: InputBytes.name(of: path)))
                })
        }
        return opened
    }

    /// - Throws: as `CSVHeader.require`, where a file with this header lacks what is needed.
    func check(_ header: CSVHeader) throws(Problem) {
        if let fault = header.fault { throw fault }
        let needed = requiredFields.subtracting(optional.intersection(header.kind.lacks))
        var names: [String] = []
        for field in needed.subtracting(header.present).fields {
            for name in users[field] ?? [] where !names.contains(name) { names.append(name) }
        }
        let users = names.count == 1 ? "query \(names[0])" : "the queries \(names.joined(separator: ", "))"
        do {
            try header.require(needed, for: names.isEmpty ? purpose : users)
        } catch {
            var problem = error
            if clock == .end, !header.present.contains(.endTimestamp) {
                problem.hint = "The file says when trips began alone: use --clock start. \(problem.hint ?? "")"
            }
            if !names.isEmpty { problem.hint = "\(problem.hint ?? "") --missing empty takes it as empty in each trip." }
            throw problem
        }
    }

    var requiredFields: TripFieldSet {
        var needed = required
        if clock != .now || from != nil || to != nil { needed.formUnion(TripFieldSet(clockField)) }
        if cleaning != nil { needed.formUnion(TripFieldSet([.fare, .total, .miles, .seconds])) }
        return needed
    }
}

/// What became of the rows of a source: `read = delivered + rejected + filtered`.
public struct TripCounts: Sendable, Equatable {
    public var read = 0
    public var delivered = 0
    public var rejected: [RejectReason: Int] = [:]
    /// By rule: a cleaning rule's column, or `range` for `from` and `to`.
    public var filtered: [String: Int] = [:]
    public init() {}
    public var rejectedTotal: Int { rejected.values.reduce(0, +) }
    public var filteredTotal: Int { filtered.values.reduce(0, +) }
}
