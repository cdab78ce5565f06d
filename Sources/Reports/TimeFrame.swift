/// Where periods lie on an axis of time: a slot for each period of the calendar from the first to the last, whether there are rows of it or not.
struct Timeline: Equatable {
    /// Of each period that there are rows of, rising.
    let slots: [Int]
    let count: Int
    private let texts: [String]
    /// The period of slot 0; nil where the texts are no periods of one kind.
    private let first: PeriodText?

    /// - Parameter periods: texts, the oldest first, each once. Those that are no periods of one kind lie beside each other.
    init(_ periods: [String]) {
        let ordinals = periods.compactMap { PeriodText(text: $0).ordinal }
        let first = periods.first.map { PeriodText(text: $0) }
        let isTimeline =
            ordinals.count == periods.count && zip(ordinals, ordinals.dropFirst()).allSatisfy { $0 < $1 }
            && periods.allSatisfy { PeriodText(text: $0).kind == first?.kind }
        texts = periods
        self.first = isTimeline ? first : nil
        slots = isTimeline ? ordinals.map { $0 - ordinals[0] } : Array(periods.indices)
        count = (slots.last ?? -1) + 1
    }

    /// Slots without names, such as the hours of a day.
    init(evenly count: Int) { (slots, self.count, texts, first) = (Array(0..<count), count, [], nil) }

    /// Slots that have been counted elsewhere; nobody asks for their names.
    init(slots: [Int]) { (self.slots, count, texts, first) = (slots, (slots.last ?? -1) + 1, [], nil) }

    /// The name of a slot for an axis.
    func name(ofSlot slot: Int) -> String {
        if let name = first?.after(slot)?.short { return name }
        return texts.indices.contains(slot) ? PeriodText(text: texts[slot]).short : ""
    }
}

/// The frame of a chart over time: y axis with lines across, and periods below.
struct TimeFrame {
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double
    let timeline: Timeline

    init(left: Double, right: Double, top: Double, bottom: Double, timeline: Timeline) {
        (self.left, self.right, self.top, self.bottom) = (left, right, top, bottom)
        self.timeline = timeline
    }

    init(left: Double, right: Double, top: Double, bottom: Double, periods: [String]) {
        self.init(left: left, right: right, top: top, bottom: bottom, timeline: Timeline(periods))
    }

    init(left: Double, right: Double, top: Double, bottom: Double, count: Int) {
        self.init(left: left, right: right, top: top, bottom: bottom, timeline: Timeline(evenly: count))
    }

    /// The middle of the column of a period, by its place among those that there are rows of.
    func x(_ index: Int) -> Double {
        x(ofSlot: timeline.slots.indices.contains(index) ? timeline.slots[index] : index)
    }

    private func x(ofSlot slot: Int) -> Double { left + (Double(slot) + 0.5) * step }
    var step: Double { (right - left) / Double(max(1, timeline.count)) }

    /// Values of the periods with a nil wherever the calendar has further ones between two, so that lines break there.
    func broken<Value>(_ values: [Value?]) -> [Value?] {
        var broken: [Value?] = []
        for (index, value) in values.enumerated() {
            if index > 0, index < timeline.slots.count, timeline.slots[index] - timeline.slots[index - 1] > 1 {
                broken.append(nil)
            }
            broken.append(value)
        }
        return broken
    }

    /// Whether a line goes through a period's point: it has a value, and so has a period beside it.
    func isOnLine<Value>(_ index: Int, _ values: [Value?]) -> Bool {
        [index - 1, index + 1].contains { other in
            values.indices.contains(other) && values[other] != nil && other < timeline.slots.count
                && abs(timeline.slots[other] - timeline.slots[index]) == 1
        }
    }

    /// Draws lines, numbers and the unit of the y axis; gives its scale.
    func drawValues(
        _ drawing: inout Drawing, from least: Double = 0, upTo most: Double, unit: String, count: Int = 5
    ) -> LinearScale {
        let ticks = niceTicks(from: least, to: most, count: count)
        let scale = LinearScale((ticks[0], ticks[ticks.count - 1]), to: (bottom, top))
        for tick in ticks {
            drawing.line(left, scale(tick), right, scale(tick), style: tick == 0 ? "x" : "g")
            drawing.text(shortNumber(tick), x: left - 6, y: scale(tick) + 4, anchor: .end, style: "m")
        }
        drawing.text(unit, x: max(2, left - 44), y: top - 14, style: "m")
        return scale
    }

    func drawPeriods(_ drawing: inout Drawing, most: Int) {
        for slot in labelled(count: timeline.count, most: most).sorted() {
            drawLabel(&drawing, timeline.name(ofSlot: slot), at: x(ofSlot: slot))
        }
    }

    /// A mark below the frame and a name under it, which may not reach over the picture's edge.
    func drawLabel(_ drawing: inout Drawing, _ name: String, at x: Double) {
        drawing.line(x, bottom, x, bottom + 4, style: "x")
        let isCut = x + 22 > drawing.width
        drawing.text(
            name, x: isCut ? drawing.width - 2 : x, y: bottom + 18, anchor: isCut ? .end : .middle, style: "m")
    }
}
