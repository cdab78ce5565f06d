import Problems
import Time
import Trips

/// How trips of files are read, as a part of a plan (`WorkPlan`). Which columns are decoded follows from the queries, and the clock that event times
/// are held against comes with each range.
extension WireWriter {
    mutating func add(_ options: TripSourceOptions) {
        add(options.clock.rawValue)
        add(options.spread.rawValue)
        add(Int64(bitPattern: options.seed))
        add(options.cleaning != nil)
        add(options.from)
        add(options.to)
        add(Int64(options.required.rawValue))
        add(Int64(options.optional.rawValue))
        add(options.purpose)
        add(options.users.sorted { $0.key.rawValue < $1.key.rawValue }) { writer, user in
            writer.add(Int64(user.key.rawValue))
            writer.add(user.value) { $0.add($1) }
        }
    }
}

extension WireReader {
    mutating func sourceOptions(zone: ZoneClock) throws(Problem) -> TripSourceOptions {
        guard let clock = EventClock(rawValue: try string()), clock != .now, let spread = Spread(rawValue: try string())
        else { throw damage("an unknown clock or spread") }
        let seed = UInt64(bitPattern: try number())
        let cleans = try flag()
        let from = try optional { reader throws(Problem) in try reader.number() }
        let to = try optional { reader throws(Problem) in try reader.number() }
        let fields = 0...Int64(TripFieldSet.all.rawValue)
        let required = TripFieldSet(rawValue: UInt32(try number(in: fields)))
        let optional = TripFieldSet(rawValue: UInt32(try number(in: fields)))
        let purpose = try string()
        var users: [TripField: [String]] = [:]
        for _ in 0..<(try count(least: 16)) {
            guard let field = TripField(rawValue: UInt8(try number(in: 0...255))) else {
                throw damage("an unknown field")
            }
            users[field] = try list(least: 8) { reader throws(Problem) in try reader.string() }
        }
        var options = TripSourceOptions(
            clock: clock, spread: spread, seed: seed, cleaning: cleans ? .standard : nil, from: from, to: to,
            required: required, purpose: purpose, zone: zone)
        (options.users, options.optional) = (users, optional)
        return options
    }
}
