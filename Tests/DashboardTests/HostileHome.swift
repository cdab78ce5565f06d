import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Reports
import Time

@testable import Dashboard

/// A text that does harm wherever it is not escaped.
let hostileText = "<script>alert(\"x\")</script>&'\u{1B}[31m"

/// A tenant without any data, but with hostile texts in all of it.
struct HostileTenant: TenantPages {
    private static let text = hostileText
    var watched: WatchedTenant
    let acts: Acts
    private var table: PageTable {
        PageTable(
            columns: ["workflow", "run_id", "state", "company"], rows: [[Self.text, Self.text, Self.text, nil]])
    }
    func rows(ofView name: String, limit: Int, times: Range<EventTime>?) throws -> PageTable {
        acts.times = times
        if name == "cashbycompany" {
            return PageTable(
                columns: ["window_start", "window_end", "company", "trips", "fare"],
                rows: (0..<20).map { index in
                    let hour = "2024-01-01T\(index / 10)"
                    return [
                        "\(hour)0:00:00.000Z", "\(hour)9:00:00.000Z", "\(index % 10)\(Self.text)", "\(index)", "1.5",
                    ]
                })
        }
        guard name == "sumfarewindow" else { throw Problem(.noInput, "there is no view \"\(name)\"") }
        return PageTable(
            columns: ["window_start", "fare"],
            rows: (0..<min(limit, 5)).map { ["2024-01-0\($0 + 1)T00:00:00.000-06:00", "\($0)"] })
    }
    func rowsForPeople(ofView name: String) throws -> PageTable { try rows(ofView: name, limit: 24, times: nil) }
    func analyses() throws -> [String] { [] }
    func views() throws -> [String] { ["sumfarewindow", "cashbycompany"] }
    func workflowRuns(of workflow: String?, limit: Int) throws -> PageTable { table }
    func workflows() throws -> PageTable {
        acts.asked += 1
        return PageTable(
            columns: ["workflow", "problem"], rows: [["monthly", nil], ["broken", "broken.yaml:5:14: no step"]])
    }
    func graph(ofWorkflow name: String) throws -> String {
        if name == "monthly" { return "<svg></svg>" }
        throw Problem(
            .configuration, "there is no step \(Self.text)", at: InputLocation(file: "broken.yaml", line: 5, column: 14)
        )
    }
    func state(ofRun id: String) throws -> String? { id == "r1" ? acts.state : nil }
    func steps(ofRun id: String) throws -> PageTable {
        PageTable(
            columns: ["step", "attempt", "state", "started", "ended", "error"],
            rows: [[Self.text, "1", "success", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:05.000Z", Self.text]])
    }
    func log(ofRun id: String) throws -> String { Self.text }
    func models() throws -> PageTable {
        if acts.hasMistakes { throw Problem(.configuration, "ml.yaml:3: \(Self.text)") }
        return table
    }
    func modelBatches(limit: Int) throws -> PageTable { table }
    func modelErrors() throws -> PageTable {
        PageTable(
            columns: ["model", "dimension", "value", "mae", "baseline", "baseline_mae", "worse"],
            rows: [
                [Self.text, "all", "", "3.5", "naive", "2.5", "1"],
                [Self.text, "pickup_community_area", "8", "3", "naive", "4", "0"],
                [Self.text, "hour", "8", "3", "naive", "2", "1"],
            ])
    }
    func settings() throws -> PageTable { table }
    func records(_ asked: RecordsAsked) throws -> FoundRecords {
        acts.records.append(asked)
        let record = FoundRecord(
            offset: 7, time: Self.text, key: Self.text, value: MarkedText(Self.text, marked: Self.text),
            headers: [(Self.text, Self.text)], members: [(Self.text, Self.text)])
        return FoundRecords(partition: 1, records: [record], next: 8)
    }
    func deadLetters(reason: String?, limit: Int) throws -> FoundLetters {
        let all = [("bad_money", MarkedText("a,", marked: "12.<x", after: ",b")), ("<b>", MarkedText(Self.text))]
        return FoundLetters(
            reasons: [("bad_money", 1200), ("<b>", 1)],
            letters: all.filter { reason == nil || reason == $0.0 }.map {
                FoundLetter(
                    partition: 1, offset: 5, reason: $0.0, source: Self.text, column: nil, detail: Self.text,
                    record: $0.1)
            })
    }
    func deadLetterReplay() throws -> PageTable {
        PageTable(columns: ["reason", "would_be_sent"], rows: [[Self.text, "7"]])
    }
    func report() throws -> Report { throw Problem(.noInput, "there are no analytics yet") }
    func act(_ action: PageAction) throws -> String {
        acts.add(action)
        if let refusal = acts.refusal { throw refusal }
        return "done"
    }
}
/// `@unchecked Sendable`: used by one test.
final class Acts: @unchecked Sendable {
    var all: [PageAction] = []
    /// Whether ml.yaml cannot be read.
    var hasMistakes = false
    /// Why nothing can be done.
    var refusal: Problem?
    /// Of the run r1.
    var state = "success"
    /// Of the last rows that were asked for.
    var times: Range<EventTime>?
    /// What was asked of topics.
    var records: [RecordsAsked] = []
    /// How often all workflows were asked for.
    var asked = 0
    func add(_ action: PageAction) { all.append(action) }
}
struct HostileHome: WatchedHome {
    let tenantHome: TenantHome
    let acts = Acts()

    init() throws {
        tenantHome = try TenantHome(
            home: FileManager.default.temporaryDirectory.path + "/taxi-pages-\(UUID().uuidString)", environment: [:])
    }

    func tenants() throws -> [String] { ["chicago", "springfield"] }
    func tenant(_ name: String) throws -> any TenantPages {
        HostileTenant(watched: WatchedTenant(tenantHome, plans: { [] }, openTopics: { nil }), acts: acts)
    }
}

/// A suite that asks a server of such a home.
protocol HostilePages {
    var home: HostileHome { get }
}

extension HostilePages {
    func server(isLoopback: Bool = true, _ change: (inout WatchOptions) -> Void = { _ in }) -> WatchServer {
        var options = WatchOptions(version: "1.2.3")
        change(&options)
        return WatchServer(home, options: options, isLoopback: isLoopback)
    }

    func get(_ path: String, _ headers: [String: String] = [:], method: String = "GET") -> HTTPServerRequest {
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        let pairs = parts.count > 1 ? parts[1].split(separator: "&") : []
        let query = pairs.map { pair -> (name: String, value: String) in
            let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
            return (sides[0], sides.count > 1 ? sides[1] : "")
        }
        var all = ["host": "127.0.0.1:8787"]
        all.merge(headers) { $1 }
        return HTTPServerRequest(method: method, path: parts[0], query: query, headers: all, body: [])
    }

    func text(_ response: HTTPServerResponse) -> String {
        if case .bytes(let bytes) = response.body { return String(decoding: bytes, as: UTF8.self) }
        return ""
    }

    /// Presses a button.
    func press(_ server: WatchServer, _ path: String, accept: String = "*/*") -> HTTPServerResponse {
        let headers = [
            "x-taxi-session": server.sessionToken, "origin": "http://127.0.0.1:8787", "accept": accept,
        ]
        return server.answer(get(path, headers, method: "POST"))
    }
}
