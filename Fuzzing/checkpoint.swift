import Database
import Problems
import SQLite
import Topics
import Time
import Trips

@testable import Stream

/// What a stream finds when it starts. The first byte says what the others are: w the groups of a window, h a histogram, k the text of a
/// key; else the checkpoint of a query. Each is refused, or can be gone on with: written again it is what was read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let (kind, bytes) = kindAndRest(data, size) else { return 0 }
    let text = String(decoding: bytes, as: UTF8.self)
    switch kind {
    case "w": for plan in packed { window(plan, [.integer(start), 0, .text(text)]) }
    case "h": window(histogram, [.integer(start), 0, .text(text)])
    case "k": key(text)
    default: checkpoint(text)
    }
    return 0
}

private let zone = try! ZoneClock(identifier: "America/Chicago")
private let start: EventTime = 1_699_999_980_000
private let plans = try! QueryCatalog.parse(
    """
    queries:
      - {name: someAreas, window: {tumbling: 1m}, group: [pickup_community_area], aggregates: {n: count(*)}}
      - name: someCompanies
        window: {sliding: 1h, every: 1m}
        group: [company, hour]
        aggregates: {n: count(*), fares: sum(fare), most: max(trip_miles), p: quantile(fare, 0.9), mean: avg(tips)}
      - {name: someBuckets, window: {tumbling: day}, group: [fare_bucket], aggregates: {n: count(*), fares: sum(fare)}}
      - {name: someFares, window: {tumbling: 1m}, aggregates: {p: quantile(fare, 0.5)}}
    """, file: "f")
private let packed = Array(plans[..<3])
private let histogram = plans[3]
private let connection = {
    let connection = try! ResultsDatabase(path: ":memory:").connection
    for plan in plans { try! plan.installStorage(on: connection) }
    try! connection.execute("INSERT INTO \(plans[1].keysTable ?? "") VALUES (0, 'Flash Cab', 17), (1, '', 0)")
    return connection
}()

private func checkpoint(_ text: String) {
    let store = CheckpointStore(connection: connection)
    try! connection.execute("INSERT OR REPLACE INTO checkpoints VALUES ('q', 0, ?)", .text(text))
    guard let checkpoint = try? store.load("q") else { return }
    try! store.save(checkpoint, of: "q")
    expect(try! store.load("q") == checkpoint, "written and read again it is something else")
    try! store.requireGeneration(checkpoint.generation, of: "q")
}

/// Loads what is stored of a window, closes it, and loads what is stored of that.
private func window(_ plan: QueryPlan, _ values: [SQLValue]) {
    let marks = values.map { _ in "?" }.joined(separator: ", ")
    func store(_ values: [SQLValue]) {
        try! connection.execute("DELETE FROM \(plan.storageTable)")
        let statement = try! connection.prepare("INSERT INTO \(plan.storageTable) VALUES (\(marks))")
        try! statement.bind(values)
        try! statement.run()
    }
    store(values)
    guard let output = cut(plan) else { return }
    expect(output.rows.ids == [start] && output.rows.textEnds.count == 1, "a window is lost")
    let again = String(decoding: output.rows.text, as: UTF8.self)
    store([values[0], values[1], .text(again)])
    guard let second = cut(plan) else { fatalError("what was written is not read: \(again)") }
    expect(second.rows.text == output.rows.text, "written and read again it is something else")
    expect(second.messages.encode() == output.messages.encode())
    let payload = output.messages.encode()
    let columns = payload.withUnsafeBytes { try? ResultColumns(decoding: $0) }
    expect(columns?.count == output.messages.count, "the messages cannot be read")
}

private func cut(_ plan: QueryPlan) -> QueryOutput? {
    guard let state = try? StateLoader(connection: connection).load(plan, zone: zone) else { return nil }
    return try? QueryOutputBuilder(state, query: 0).cut(watermark: .max)
}

private func key(_ text: String) {
    let table = plans[1].keysTable ?? ""
    try! connection.execute("BEGIN")
    try! connection.execute("DELETE FROM \(table)")
    try! connection.execute("INSERT INTO \(table) VALUES (0, ?, 3)", .text(text))
    window(plans[1], [.integer(start), 0, .text(#"{"0":[1,1200,1,null,{"7":1},0,0]}"#)])
    try! connection.execute("ROLLBACK")
}
