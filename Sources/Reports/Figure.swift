import Database

/// A chart with its numbers.
public struct Figure: Sendable {
    /// Names files and links: `fare-trend`.
    public let id: String
    public let title: String
    /// One sentence or two: what is shown, and how it was computed.
    public let note: String
    /// What its numbers lack; nil where nothing is known to be missing.
    public var warning: String?
    /// Which of its periods have days without trips; nil where none has.
    public var remark: String?
    /// What its numbers are made of, of which time and when: a line for a picture that goes without the page.
    public var source = ""
    /// The time that its numbers are of, where that is another than the report's.
    var time: String?
    /// The table of the tenant's own making that it shows; nil for a chart of the report's.
    var own: OwnTable?
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
    public var svg: String {
        wide.standalone(
            title: title, notes: [own == nil ? nil : note, warning, remark].compactMap { $0 }, source: source)
    }
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

    /// The public views that its numbers come from.
    var views: String {
        if let own { return own.view }
        return switch id {
        case "fare-trend": "fare_trend"
        case "fare-distribution": "faredistribution"
        case "totals": "accumulated_metrics"
        case "hour-of-week": "sumfarewindow"
        case Self.taxisOutID: "taxis_out"
        case Self.mapID: details == nil ? "area_hotspots" : "area_hotspots and location_hotspots"
        case "area-ranks": "area_hotspots"
        case Self.qualityID: "runs and the ledger"
        case Self.modelErrorsID: "ml_errors"
        default: Mix.allCases.first { $0.id == id }?.view ?? id
        }
    }

    /// The query whose days tell how much of a period its numbers cover; nil where they are of no period.
    var covered: String? {
        if let own { return own.origin == .analysis ? Coverage.allTrips : nil }
        return switch id {
        case "fare-distribution": "faredistribution"
        case Self.mapID, "area-ranks": "hotspotcommunitywindow"
        case Self.qualityID, Self.modelErrorsID: nil
        default: Coverage.allTrips
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
