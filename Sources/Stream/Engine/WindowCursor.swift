import Time

/// The windows that contain the event time of the row at hand, remembered from row to row: trips come mostly in order.
struct WindowCursor {
    private let pool: WindowPool
    private let size: Int64
    private let every: Int64
    private let zone: ZoneClock?
    /// Event times that lie in the same windows.
    private(set) var times: Range<EventTime> = 0..<0
    /// How many windows contain the time.
    let count: Int
    private(set) var starts: [Int64]
    private(set) var ends: [Int64]
    private var pointers: [WindowPointer?]

    init(_ state: QueryState) {
        pool = state.windows
        switch state.plan.window {
        case .tumbling(let sizeMs): (size, every, count, zone) = (sizeMs, sizeMs, 1, nil)
        case .sliding(let sizeMs, let everyMs):
            (size, every, count, zone) = (sizeMs, everyMs, Int(sizeMs / everyMs), nil)
        case .localDay: (size, every, count, zone) = (0, 0, 1, state.zone)
        case .none: (size, every, count, zone) = (0, 0, 1, nil)
        }
        starts = Array(repeating: 0, count: count)
        ends = Array(repeating: 0, count: count)
        pointers = Array(repeating: nil, count: count)
        if state.plan.window == .none {
            times = .min..<(.max)
            (starts[0], ends[0]) = (.min, .max)
        }
    }

    @inline(__always)
    mutating func move(to time: EventTime) {
        if times.contains(time) { return }
        find(time)
    }

    @inline(never)
    private mutating func find(_ time: EventTime) {
        if let zone {
            let day = zone.localDay(ofMs: time)
            times = zone.startMs(ofLocalDay: day)..<zone.startMs(ofLocalDay: day + 1)
            (starts[0], ends[0], pointers[0]) = (times.lowerBound, times.upperBound, nil)
            return
        }
        let from = floorDivide(time, every) * every
        times = from..<from + every
        for slot in 0..<count {
            starts[slot] = from - Int64(slot) * every
            ends[slot] = starts[slot] + size
            pointers[slot] = nil
        }
    }

    /// The window at `slot`, opened where it is not; the state must not close windows while the cursor is used.
    @inline(__always)
    mutating func window(_ slot: Int) -> WindowPointer {
        if let pointer = pointers[slot] { return pointer }
        let pointer = pool.window(start: starts[slot], end: ends[slot])
        pointers[slot] = pointer
        return pointer
    }
}
