public import Monitoring
import Problems
public import Reports
import Synchronization
public import Time

/// What a server of pages shows: the tenants of a home.
public protocol WatchedHome: Sendable {
    /// By name.
    func tenants() throws -> [String]
    /// - Throws: `Problem(.usage)` or `.noInput` for a tenant that is not there.
    func tenant(_ name: String) throws -> any TenantPages
}

/// A tenant as pages show it, beside its numbers.
public protocol TenantPages: Sendable {
    var watched: WatchedTenant { get }
    /// Newest rows of a public view, the oldest first.
    ///
    /// - Parameter times: of windows or days that begin then, ms UTC; nil for all. Views without times have all of them.
    /// - Throws: `Problem(.usage)` for a view that is not there.
    func rows(ofView name: String, limit: Int, times: Range<EventTime>?) throws -> PageTable
    /// The rows that a person wants to see first: of analytics the months, of places those of the newest month.
    func rowsForPeople(ofView name: String) throws -> PageTable
    /// The views of analyses, shipped and declared, by name: those that have periods.
    func analyses() throws -> [String]
    /// The public views and queries that have rows, by name.
    func views() throws -> [String]
    /// Runs of one workflow or all, the newest first.
    func workflowRuns(of workflow: String?, limit: Int) throws -> PageTable
    /// The workflows there are, each with its schedule and last run; a file with mistakes in it has its `problem` instead.
    func workflows() throws -> PageTable
    /// The steps of a workflow and what each needs, as SVG.
    ///
    /// - Throws: `Problem(.configuration)` for a file with mistakes in it.
    func graph(ofWorkflow name: String) throws -> String
    /// The state of the run with exactly this id, nil where there is none; cheaper to ask than all workflows.
    func state(ofRun id: String) throws -> String?
    /// The steps of a run, with their states and times.
    func steps(ofRun id: String) throws -> PageTable
    func log(ofRun id: String) throws -> String
    /// The declared models, each with when it is asked and how its service is.
    func models() throws -> PageTable
    /// Batches that were sent to models, the newest first.
    func modelBatches(limit: Int) throws -> PageTable
    /// How far forecasts are from what came, beside a simple model; no rows where none compares.
    func modelErrors() throws -> PageTable
    /// Settings with their values and where each comes from.
    func settings() throws -> PageTable
    /// Records of a topic from a place on.
    ///
    /// - Throws: `Problem(.noInput)` for a topic or a partition that is not there.
    func records(_ asked: RecordsAsked) throws -> FoundRecords
    /// Rejected records of one reason, or of all.
    func deadLetters(reason: String?, limit: Int) throws -> FoundLetters
    /// By reason, what would become of them, were they sent again now.
    func deadLetterReplay() throws -> PageTable
    /// The charts of all months.
    ///
    /// - Throws: `Problem(.noInput)` where no analytics have been computed.
    func report() throws -> Report
    /// Starts runs of a workflow, tries a failed one again, or ends one that runs; sends dead letters again.
    ///
    /// - Returns: what was done, in words.
    /// - Throws: `Problem(.tryAgain)` where it cannot be done as things are, with the reason; `.usage` or `.configuration` where it never can.
    func act(_ action: PageAction) throws -> String
}

public enum PageAction: Sendable, Equatable {
    case run(workflow: String)
    /// Runs the intervals that are missing in one that is named: 2024, 2024-Q1, 2024-01, 2024-01-22.
    case backfill(workflow: String, interval: String)
    case retry(run: String)
    case cancel(run: String)
    case replayDeadLetters
}

/// Rows for a page: texts, as they are shown.
public struct PageTable: Sendable, Encodable {
    public var columns: [String]
    /// nil for what has no value.
    public var rows: [[String?]]
    public init(columns: [String], rows: [[String?]] = []) { (self.columns, self.rows) = (columns, rows) }

    mutating func remove(column: Int) {
        columns.remove(at: column)
        for row in rows.indices { rows[row].remove(at: column) }
    }
}

/// The newest look at each tenant, shared by all who ask within a second.
final class Looks: Sendable {
    private struct Known: Sendable {
        var look: TenantLook
        var atNs: Int64
        var before: TenantLook?
    }
    private let known = Mutex<[String: Known]>([:])
    private let home: any WatchedHome
    private let clock: any WallClock
    static let maxAgeNs: Int64 = 900_000_000

    init(_ home: any WatchedHome, clock: any WallClock) { (self.home, self.clock) = (home, clock) }

    var nowMs: EventTime { clock.nowMs }

    /// A look that is not older than a second, and the one before it, from which rates follow.
    func look(_ tenant: String) throws -> (now: TenantLook, before: TenantLook?) {
        let now = clock.monotonicNs
        if let found = known.withLock({ $0[tenant] }), now - found.atNs < Self.maxAgeNs {
            return (found.look, found.before)
        }
        // Without the lock: a tenant whose broker is away holds nobody else up. Two that look at once find the same.
        let look = TenantLook(try home.tenant(tenant).watched, nowMs: clock.nowMs)
        return known.withLock { known in
            let before = known[tenant]?.look
            known[tenant] = Known(look: look, atNs: now, before: before)
            return (look, before)
        }
    }
}
