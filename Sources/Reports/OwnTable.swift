/// A table of a tenant's own making that a report draws: an analysis of `analyses/*.sql`, or a query of `queries.yaml`.
public struct OwnTable: Sendable, Equatable {
    public enum Origin: Sendable, Equatable { case analysis, query }

    public var origin: Origin
    /// As declared.
    public var name: String
    /// The public view of its rows.
    public var view: String
    /// What it is about, in its author's words; may be empty.
    public var about: String
    /// Columns that tell apart rows of one period, or of one window; may be more than it takes.
    public var keys: [String]

    public init(_ origin: Origin, name: String, view: String, about: String = "", keys: [String]) {
        (self.origin, self.name, self.view, self.about, self.keys) = (origin, name, view, about, keys)
    }
}

/// An own table's rows, ready to be drawn.
struct OwnChart {
    /// One column of numbers of one group, by time; nil where there is none.
    struct Series {
        var name: String
        var values: [Double?]
        /// Of the windows that a value is the mean of; empty where it is none.
        var least: [Double?] = []
        var most: [Double?] = []
    }

    struct Panel {
        var column: String
        var series: [Series]
    }

    /// What is listed below the chart.
    var numbers: ReportTable
    /// How the numbers came about, as sentences.
    var note: String
    /// The names of the times, the oldest first; of the groups where there is no time.
    var names: [String]
    /// nil where there is no time: then a panel's series has a value for each name.
    var timeline: Timeline?
    /// Whether the times are periods of the report.
    var isOfPeriods = false
    var panels: [Panel]

    static let seriesCount = 6
    /// Columns that are drawn of rows without groups, and with them.
    static let panelCount = 6
    static let panelCountOfGroups = 3
    /// Bars of groups without a time.
    static let barCount = 15
    /// Rows that are listed.
    static let rowCount = 2000
}
