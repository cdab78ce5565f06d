import Basics
import Time

/// Event times of decoded rows: the clock's column, spread as the options say.
struct RowClock {
    private let options: TripSourceOptions
    private var cursor: WallTimeCursor

    init(_ options: TripSourceOptions) { (self.options, cursor) = (options, WallTimeCursor(options.zone)) }

    /// How far behind its mark a row of an even spread lies, ms: by its line alone.
    @inline(__always)
    static func uniform(line: Int64, seed: UInt64) -> Int64 {
        Int64(splitMix64(seed &* 0x9e37_79b9 ^ UInt64(line)) % 900_000)
    }

    /// Event time of a row with a readable time.
    @inline(__always)
    mutating func eventTime(_ wall: WallTime, seconds: Int64, line: Int64) -> EventTime {
        let mark = mark(wall)
        return switch options.spread {
        case .none: mark
        case .uniform: mark &+ Self.uniform(line: line, seed: options.seed)
        case .byDuration: mark &+ seconds % 900 &* 1000
        }
    }

    /// The time that was published, before it is spread.
    @inline(__always)
    mutating func mark(_ wall: WallTime) -> EventTime { cursor.utcMs(of: wall.seconds) }

    /// Sets the event times of rows whose clock column is readable.
    mutating func stamp(_ batch: TripBatch) {
        let cells = batch.column(options.clockField)
        let seconds = options.spread == .byDuration ? batch.column(.seconds) : nil
        for row in 0..<batch.count {
            batch.eventTimes[row] = eventTime(
                WallTime(cell: cells[row]), seconds: seconds.map { max(0, $0[row]) } ?? 0, line: batch.positions[row])
        }
    }
}
