/// The four analyses over stored results.
public enum Analysis: String, Sendable, CaseIterable, Codable {
    /// How fares are distributed, and how that changes.
    case fareTrend = "fare-trend"
    /// Totals of the period, of its year so far and since the start.
    case accumulated
    /// Community areas by pickups.
    case areaHotspots = "area-hotspots"
    /// Pickup points by pickups.
    case locationHotspots = "location-hotspots"

    /// The public view of its rows.
    public var view: String {
        switch self {
        case .fareTrend: "fare_trend"
        case .accumulated: "accumulated_metrics"
        case .areaHotspots: "area_hotspots"
        case .locationHotspots: "location_hotspots"
        }
    }

    /// The storage behind the view: `BatchSchema`.
    var table: String { "batch_\(view)" }

    /// The columns of the view that tell a period's rows apart.
    var rowKeys: [String] {
        switch self {
        case .fareTrend, .accumulated: []
        case .areaHotspots: ["pickup_community_area"]
        case .locationHotspots: ["pickup_centroid_location"]
        }
    }

    /// Running totals of quarters would repeat those of months.
    public var kinds: [PeriodKind] { self == .accumulated ? [.month, .year] : PeriodKind.allCases }

    /// Whether it reads day rollups, or day totals alone.
    var usesRollups: Bool { self != .accumulated }

    /// The query whose results it cannot do without, by its declared name.
    var query: String {
        switch self {
        case .fareTrend, .accumulated: "tripsTotal"
        case .areaHotspots: "hotspotCommunityPickupWindow"
        case .locationHotspots: "hotspotWindow"
        }
    }

    /// Where the stream stores that query's results.
    var storedTable: String {
        switch self {
        case .fareTrend, .accumulated: DayTotals.table
        case .areaHotspots: StoredWindows.Source.areas.table
        case .locationHotspots: StoredWindows.Source.locations.table
        }
    }
}
