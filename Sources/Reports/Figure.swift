/// A chart with its numbers.
public struct Figure: Sendable {
    /// Names files and links: `fare-trend`.
    public let id: String
    public let title: String
    /// One sentence or two: what is shown, and how it was computed.
    public let note: String
    /// What its numbers lack; nil where nothing is known to be missing.
    public var warning: String?
    /// The chart's numbers.
    public let table: ReportTable
    /// Numbers of a second thing in the same chart, with the name of their file; nil where there is none.
    public let details: (id: String, title: String, table: ReportTable)?
    /// The same picture for a page and for a phone.
    let wide: Drawing
    let narrow: Drawing

    init(
        id: String, title: String, note: String, table: ReportTable,
        details: (id: String, title: String, table: ReportTable)? = nil, draw: (FigureSize) -> Drawing
    ) {
        (self.id, self.title, self.note, self.table, self.details) = (id, title, note, table, details)
        (wide, narrow) = (draw(.wide), draw(.narrow))
    }

    /// All its numbers, each under a name of its own.
    public var tables: [(id: String, title: String, table: ReportTable)] {
        [(id, title, table)] + (details.map { [$0] } ?? [])
    }

    /// The picture as an SVG file in the light theme.
    public var svg: String { wide.standalone(title: title, warning: warning) }
}

extension Figure {
    static let mapID = "area-hotspots"

    /// The views of queries that a chart is made of, where their windows may lack trips that were late.
    var sources: Set<String> {
        switch id {
        case "fare-trend", "fare-distribution": ["faredistribution"]
        case "hour-of-week": ["sumfarewindow"]
        case Self.taxisOutID: ["taxisout"]
        case Self.mapID: ["hotspotcommunitywindow", "hotspotwindow"]
        case "area-ranks": ["hotspotcommunitywindow"]
        default: []
        }
    }
}

/// How much room a picture has. A picture for a page, made smaller for a phone, could not be read; so there are two.
enum FigureSize {
    case wide, narrow

    var width: Double { self == .wide ? 860 : 360 }
    /// Labels that fit on an axis of time.
    var timeLabels: Int { self == .wide ? 12 : 4 }
    var isNarrow: Bool { self == .narrow }
}

/// The frame of a chart over time: y axis with lines across, and periods below.
struct TimeFrame {
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double
    let count: Int

    /// The middle of a period's column.
    func x(_ index: Int) -> Double { left + (Double(index) + 0.5) * step }
    var step: Double { (right - left) / Double(max(1, count)) }

    /// Draws lines, numbers and the unit of the y axis; gives its scale.
    func drawValues(_ drawing: inout Drawing, upTo most: Double, unit: String, count: Int = 5) -> LinearScale {
        let ticks = niceTicks(from: 0, to: most, count: count)
        let scale = LinearScale((ticks[0], ticks[ticks.count - 1]), to: (bottom, top))
        for tick in ticks {
            drawing.line(left, scale(tick), right, scale(tick), style: tick == 0 ? "x" : "g")
            drawing.text(shortNumber(tick), x: left - 6, y: scale(tick) + 4, anchor: .end, style: "m")
        }
        drawing.text(unit, x: max(2, left - 44), y: top - 14, style: "m")
        return scale
    }

    func drawPeriods(_ drawing: inout Drawing, _ periods: [String], most: Int) {
        for index in labelled(count: periods.count, most: most).sorted() {
            drawing.line(x(index), bottom, x(index), bottom + 4, style: "x")
            // The last label may not reach over the edge.
            let isCut = x(index) + 22 > drawing.width
            drawing.text(
                PeriodText(text: periods[index]).short, x: isCut ? drawing.width - 2 : x(index), y: bottom + 18,
                anchor: isCut ? .end : .middle, style: "m")
        }
    }
}
