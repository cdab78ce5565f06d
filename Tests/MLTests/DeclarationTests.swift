import Foundation
import Problems
import Testing

@testable import ML

/// Reading ml.yaml: what it may say, and that all mistakes are told at once, each with its place.
@Suite struct DeclarationTests {
    private static func load(_ text: String) throws -> [ModelSpec] {
        let path = FileManager.default.temporaryDirectory.path + "/taxi-ml-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try ModelCatalog.load(path: path, zone: "America/Chicago")
    }

    /// Names of the tenant's own topics, of queries that there are not, of models that there are not.
    @Test(arguments: [
        ("to: {topic: ingestData}", "the topic \"ingestData\" has the trips", 8),
        ("to: {topic: deadLetter}", "the topic \"deadLetter\" has the dead letters", 8),
        ("to: {topic: hoursStream}", "the topic \"hoursStream\" has the results of query hours", 8),
        ("on_result: hour", "no query, analysis or view is called \"hour\"", 8),
        ("compare: {actual: hours, field: y, baseline: zz}", "there is no other model \"zz\"", 8),
        ("compare: {actual: hours, field: y, baseline: one}", "there is no other model \"one\"", 8),
        ("every: 1h", "no query, analysis or view is called \"hous\"", 4),
    ])
    func namesThatMeanNothingAreMistakes(_ line: String, _ message: String, _ place: Int) throws {
        let view = place == 4 ? "hous" : "Hours"
        let text = """
            models:
              - name: one
                key: id
                source: {view: \(view)}
                protocol: json
                endpoint: http://127.0.0.1:1/
                schema: {y: real}
                \(line)
            """
        var names = ModelNames()
        names.topics["hoursStream"] = "the results of query hours"
        names.views = ["hours"]
        let path = FileManager.default.temporaryDirectory.path + "/taxi-ml-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let problem = try #require(throws: Problem.self) {
            try ModelCatalog.load(path: path, zone: "America/Chicago", names: names)
        }
        #expect(problem.message.hasPrefix(message) && problem.others.isEmpty, "\(problem)")
        #expect(problem.location?.line == place)
    }

    @Test func readsAllThatAModelMaySay() throws {
        let models = try Self.load(
            """
            models:
              - name: demand
                source: {topic: areaHourStream}
                key: [window.start, area]
                every: "5 * * * *"
                batch: 200
                protocol: kserve-v2
                endpoint: https://models.example
                headers: {Authorization: "Bearer {{ env.TOKEN }}"}
                request: {inputs: [{name: x, datatype: FP32, shape: [-1, 2], columns: [area, hour]}]}
                response: {outputs: [{name: predict, datatype: FP32, shape: [-1, 1], columns: [forecast]}]}
                timeout: 5s
                retries: {count: 6, backoff: 100ms, max: 10s}
                circuit: {failures: 3, cool_down: 30s}
                concurrency: 4
                to: {topic: forecasts, table: forecasts}
                schema: {forecast: real}
              - name: plain
                source: tripstotal
                key: day
                on_result: tripsTotal
                endpoint: http://127.0.0.1:1/score
            """)
        let service = try #require(models[0].service)
        #expect(service.endpoint == "https://models.example/v2/models/demand/infer")
        #expect((service.timeoutMs, service.retries.count, service.circuit.coolDownMs) == (5000, 6, 30_000))
        #expect(models[0].keyNames == ["window_start", "area"])
        #expect((models[0].topic, models[0].table) == ("forecasts", "forecasts"))
        #expect(models[1].source == .view("tripstotal"))
        #expect((models[1].topic, models[1].batch) == ("mlResults", 500))
        guard case .result("tripsTotal") = models[1].trigger else {
            Issue.record("another trigger")
            return
        }
    }

    @Test func tellsAllMistakesWithTheirPlaces() throws {
        let problem = #expect(throws: Problem.self) {
            try Self.load(
                """
                models:
                  - name: 9lives
                    source: {view: a, sql: b}
                    key: [a, a]
                    every: 100ms
                    endpoint: ftp://models
                    headers: {Authorization: "Bearer x"}
                    timeout: soon
                    to: {table: runs}
                    schema: {y: number}
                    tiemout: 5s
                """)
        }
        #expect(problem?.code == .configuration)
        let all = [problem].compactMap { $0 } + (problem?.others ?? [])
        #expect(all.map { $0.location?.line } == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        #expect(all.last?.hint?.contains("Did you mean \"timeout\"?") == true)
    }

    @Test(arguments: [
        ("every: 5m\n    on_result: x", "either at times or when results come"),
        ("every: 5 * *", "5 fields"), ("schema: {a: real}", "column of the key and a field"),
        ("to: {table: t}", "needs to know what its columns are"),
        ("protocol: kserve-v2", "inputs of the model are not declared"),
        (
            "protocol: kserve-v2\n    request: {inputs: [{name: x, datatype: FP64, shape: [-1, 3], columns: [a]}]}\n    response: {outputs: [{name: y, datatype: FP64, shape: [-1]}]}",
            "a row of this shape has 3 values"
        ),
        ("protocol: sql", "is for models that a service answers for"),
        ("headers: {X: \"{{ interval }}\"}", "cannot be filled in outside of a workflow"),
        ("headers: {Authorization: hush}", "a secret stands in the file"),
        ("concurrency: 0", "out of range"), ("protocol: grpc", "unknown protocol"),
    ])
    func refuses(_ line: String, _ message: String) throws {
        let problem = #expect(throws: Problem.self) {
            try Self.load("models:\n  - name: m\n    source: v\n    key: a\n    endpoint: http://h/x\n    \(line)\n")
        }
        let all = [problem].compactMap { $0 } + (problem?.others ?? [])
        #expect(all.contains { $0.message.contains(message) && $0.location != nil }, "\(all)")
    }

    @Test func dueTimesFollowTheZoneAndMissedOnesAreMadeUpFor() throws {
        let models = try Self.load(
            """
            models:
              - {name: a, source: v, key: k, endpoint: "http://h/x", every: 15m}
              - {name: b, source: v, key: k, endpoint: "http://h/x", every: "30 2 * * *"}
            """)
        #expect(models[0].due(after: nil, since: 1000) == 1000)
        #expect(models[0].due(after: 1000, since: 5000) == 901_000)
        // 2024-03-10 in Chicago has no 02:30: it is due at 03:00 -05:00.
        let noon = Int64(1_709_985_600_000)  // 2024-03-09T12:00Z
        #expect(models[1].due(after: noon, since: 0) == 1_710_057_600_000)
    }
}
