import HTTPServer
import Monitoring
import Reports
import Time
import Topics

// The pages of topics and their records.
extension WatchServer {
    func topicsBody(_ name: String) throws -> String {
        let look = try looks.look(name).now
        var table = PageTable(columns: ["topic", "partitions", "records", "bytes", "newest event"])
        let clock = try ZoneClock(identifier: look.zone)
        for topic in look.topics {
            table.rows.append([
                topic.name, "\(topic.partitions.count)",
                (topic.isCountExact ? "" : "about ") + Shown.count(topic.recordCount),
                Shown.bytes(Double(topic.bytes)), topic.times.map { Shown.time(clock.iso(ms: $0.upperBound)) },
            ])
        }
        let shown = HTML.table(
            table, caption: "The tenant's topics", empty: "There are no topics yet: taxi-cli produce makes them."
        ) { row, column in
            column == 0 ? row[0].map { "/t/\(HTML.inPath(name))/topics/\(HTML.inPath($0))" } : nil
        }
        return "<div data-part=\"topics\">\(shown)</div>"
    }

    /// What a request asks of a topic, for the page and the API.
    ///
    /// - Throws: `Refusal` (400) for a parameter that means nothing.
    func recordsAsked(_ request: HTTPServerRequest, _ topic: String, zone: String, limit: Int) throws -> RecordsAsked {
        let partition = try Self.number("partition", of: request)
        var places: [TopicPlace] = []
        if let offset = try Self.number("offset", of: request) { places.append(.offset(offset)) }
        if let time = try Self.time("time", of: request, ZoneClock(identifier: zone)) { places.append(.time(time)) }
        if let at = try Self.number("at", of: request, from: .min) { places.append(.time(at)) }
        guard places.count <= 1 else { throw Refusal(400, "give an offset or a time to begin at, not both") }
        return RecordsAsked(
            topic: topic, partition: partition.map { Int(clamping: $0) }, place: places.first,
            key: Self.text("key", of: request), limit: limit)
    }

    /// Of a text, what was given and is not empty.
    static func text(_ name: String, of request: HTTPServerRequest) -> String? {
        request.parameter(name).flatMap { $0.isEmpty ? nil : $0 }
    }

    static func number(_ name: String, of request: HTTPServerRequest, from least: Int64 = 0) throws(Refusal) -> Int64? {
        guard let text = text(name, of: request) else { return nil }
        guard let number = Int64(text), number >= least else {
            throw Refusal(
                400, "\(name) is \"\(text)\", and has to be a whole number\(least < 0 ? "" : " from \(least) on")")
        }
        return number
    }

    /// A time as a field of a form gives it, by the tenant's clock; or with an offset of its own.
    static func time(_ name: String, of request: HTTPServerRequest, _ clock: ZoneClock) throws(Refusal) -> EventTime? {
        guard let text = text(name, of: request) else { return nil }
        // A field leaves out seconds that are 0.
        let whole = text.count == 10 ? "\(text)T00:00:00" : text.count == 16 ? "\(text):00" : text
        if let wall = RFC3339.parse("\(whole)Z") { return clock.utcMs(localSeconds: wall / 1000) + wall % 1000 }
        if let time = RFC3339.parse(whole) { return time }
        throw Refusal(
            400,
            "\(name) is \"\(text)\", and has to be a time: 2024-01-22, 2024-01-22T13:45 or 2024-01-22T13:45:00-06:00")
    }

    func recordsBody(_ request: HTTPServerRequest, _ name: String, _ tenant: any TenantPages, _ topic: String)
        throws -> String
    {
        let look = try looks.look(name).now
        guard let description = look.topics.first(where: { $0.name == topic }) else {
            throw Refusal(404, "there is no topic \"\(topic)\"")
        }
        let asked = try recordsAsked(request, topic, zone: look.zone, limit: 50)
        let found = try tenant.records(asked)
        let path = "/t/\(HTML.inPath(name))/topics/\(HTML.inPath(topic))"
        func field(_ title: String, _ name: String, _ attributes: String) -> String {
            "<label>\(title) <input name=\"\(name)\" \(attributes) value=\"\(escaped(request.parameter(name) ?? ""))\"></label>"
        }
        var html = "<form class=\"controls\" method=\"get\"><label>Partition <select name=\"partition\">"
        html += "<option value=\"\">of the key</option>"
        for number in description.partitions.map(\.id) {
            html +=
                "<option\(number == asked.partition ?? (asked.key == nil ? 0 : nil) ? " selected" : "")>\(number)</option>"
        }
        html += "</select></label>" + field("From offset", "offset", "inputmode=\"numeric\" size=\"10\"")
        html += field("or time", "time", "type=\"datetime-local\" step=\"1\"")
        html += field("Key", "key", "size=\"16\"") + "<button>Show</button></form>"
        let table = PageTable(
            columns: ["offset", "time", "key", "value"],
            rows: found.records.map {
                ["\($0.offset)", Shown.time($0.time), $0.key, $0.value?.excerpt(letters: 50).text]
            })
        html += HTML.table(
            table, caption: "Records of \(topic), partition \(found.partition)", empty: "There are no records there.",
            wrapped: ["key", "value"]
        ) { row, column in column == 0 ? "\(path)/\(found.partition)/\(row[0] ?? "")" : nil }
        let base =
            "\(path)?partition=\(found.partition)\(asked.key.map { "&amp;key=\(HTML.inPath($0))" } ?? "")&amp;offset="
        var links: [String] = []
        if asked.key == nil, let first = found.records.first?.offset, first > 0 {
            links.append("<a href=\"\(base)\(max(0, first - Int64(asked.limit)))\">Earlier</a>")
        }
        if let next = found.next {
            links.append("<a href=\"\(base)\(next)\">\(asked.key == nil ? "Later" : "Go on from offset \(next)")</a>")
        }
        return html + "<p>\(links.joined(separator: " · "))</p>"
    }

    /// One record: what it says as a table, and its headers.
    func recordBody(_ name: String, _ tenant: any TenantPages, topic: String, partition: String, offset: String) throws
        -> String
    {
        guard let partition = Int(partition), let offset = Int64(offset), offset >= 0 else {
            throw Refusal(400, "a record is named by the numbers of its partition and its offset")
        }
        var asked = RecordsAsked(topic: topic, partition: partition, place: .offset(offset), limit: 1)
        asked.bytes = 64 << 10
        let found = try tenant.records(asked)
        guard let record = found.records.first, record.offset == offset else {
            throw Refusal(404, "topic \"\(topic)\" has no record \(offset) in partition \(partition)")
        }
        func rows(_ pairs: [(name: String, value: String)]) -> PageTable {
            PageTable(columns: ["name", "value"], rows: pairs.map { [$0.name, $0.value] })
        }
        let path = "/t/\(HTML.inPath(name))/topics/\(HTML.inPath(topic))"
        var html = "<p>"
        if offset > 0 { html += "<a href=\"\(path)/\(partition)/\(offset - 1)\">Earlier</a> · " }
        if let next = found.next { html += "<a href=\"\(path)/\(partition)/\(next)\">Later</a> · " }
        html += "<a href=\"\(path)?partition=\(partition)&amp;offset=\(offset)\">All from here on</a></p>"
        html += HTML.table(
            rows([("time", record.time), ("key", record.key ?? "–")]), caption: "The record", empty: "",
            wrapped: ["name", "value"])
        if !record.members.isEmpty {
            html +=
                "<h2>Value</h2>"
                + HTML.table(rows(record.members), caption: "Its members", empty: "", wrapped: ["name", "value"])
        }
        // Where bytes are marked they are shown as they came, whatever they say.
        if let value = record.value, record.members.isEmpty || !value.marked.isEmpty {
            html +=
                "<h2>\(record.members.isEmpty ? "Value" : "As it came")</h2><pre tabindex=\"0\">\(HTML.marked(value))</pre>"
        } else if record.value == nil {
            html += "<p class=\"empty\">It has no value.</p>"
        }
        return html + "<h2>Headers</h2>"
            + HTML.table(
                rows(record.headers), caption: "In their order", empty: "It has none.", wrapped: ["name", "value"])
    }
}
