public import Trips

/// What is in a trip file and what is wrong with it, in the size of a page.
///
/// A value to look at, compare and write as JSON; `lines` is for people. Made by `FileProfile(path:)`.
public struct FileProfile: Sendable, Codable, Equatable {
    public var file = ""
    /// Rows that could be read, and those that could not.
    public var rows = 0
    public var rejectedRows = 0
    public var layout = Layout()
    public var times = Times()
    public var columns: [Column] = []
    public var paymentTypes: [Share] = []
    public var companies: [Share] = []
    public var pickupAreas: [Share] = []
    public var dropoffAreas: [Share] = []
    /// Sums in dollars and cents, by field name, as decimal text: "350466.95".
    public var sums: [String: String] = [:]
    public var findings = Findings()
    public var rejects: [Rejects] = []
    /// What to do about it, a sentence each.
    public var advice: [String] = []

    /// How the text is written.
    public struct Layout: Sendable, Codable, Equatable {
        /// Which of the City's data sets it is of.
        public var kind = TripFileKind.taxi
        /// comma, semicolon, tab or bar
        public var delimiter = ""
        /// LF, CRLF or CR
        public var lineEnd = ""
        public var hasByteOrderMark = false
        /// Share of text fields that stand in quotes, 0…1.
        public var quotedShare = 0.0
        /// Headers of the official export.
        public var recognised: [String] = []
        public var missing: [Missing] = []
        public var unknown: [String] = []
        /// Columns of its kind that are known and left out.
        public var leftOut: [String] = []
    }

    public struct Missing: Sendable, Codable, Equatable {
        public var header: String
        /// The unknown column that looks like it.
        public var nearest: String?
    }

    /// When the trips are, by the clock on the wall, as the file writes it.
    public struct Times: Sendable, Codable, Equatable {
        public var firstStart: String?
        public var lastStart: String?
        public var firstEnd: String?
        public var lastEnd: String?
        /// Days on which a trip starts, and quarter-hours or other moments at which one does.
        public var days = 0
        public var moments = 0
        /// Whether no trip starts before the one above it in the file.
        public var isSorted = true
        /// How often a trip starts before the one above it.
        public var stepsBack = 0
        /// The coarsest of 60, 30, 15, 5 and 1 minutes of which all starts and ends are multiples; 0 where seconds are kept.
        public var roundedToMinutes = 0
    }

    public struct Column: Sendable, Codable, Equatable {
        /// The field's name in JSON and queries.
        public var name: String
        public var empty: Int
        /// As text, in the file's own unit; nil for text columns and where all is empty.
        public var minimum: String?
        public var maximum: String?
        public var zeros: Int?
        /// Numbers with more decimals than the column has, which are rounded; nil for texts and times.
        public var rounded: Int?
        public var distinct: Int
        /// Whether `distinct` was counted, else estimated within about 1 %.
        public var isDistinctExact: Bool
    }

    public struct Share: Sendable, Codable, Equatable {
        public var value: String
        public var count: Int
    }

    /// What is odd in rows that can be read. None of it is a reason to throw a row away.
    public struct Findings: Sendable, Codable, Equatable {
        /// 0 miles in 0 seconds.
        public var nullTrips = 0
        /// Rows whose Trip ID stood above already.
        public var repeatedTripIDs = 0
        public var isRepeatedExact = true
        /// Trip Total is not fare, tips, tolls and extras together.
        public var totalIsNotSum = 0
        public var fasterThan100Mph = 0
        public var endBeforeStart = 0
        public var endEqualsStart = 0
        /// Fare above 1,000 dollars, the limit of `--clean standard`.
        public var fareAbove1000 = 0
        public var negativeAmounts = 0
        /// Numbers with more decimals than their column has, such as 11.850000000000001, which are rounded.
        public var rounded = 0
    }

    /// Rows that cannot be used, of one reason.
    public struct Rejects: Sendable, Codable, Equatable {
        public var reason: RejectReason
        public var count: Int
        /// The first of them, as `file:line:column: what is wrong`.
        public var examples: [String]
    }
}
