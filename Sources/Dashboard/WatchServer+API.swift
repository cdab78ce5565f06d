import Database
import Foundation
import HTTPServer
import Monitoring
import Problems
import Time

extension WatchServer {
    /// `/api/…`: what the pages show, as JSON; described by `/api/openapi.json`.
    func api(_ request: HTTPServerRequest, _ parts: [String]) throws -> HTTPServerResponse {
        func answer(_ value: some Encodable) -> HTTPServerResponse {
            var response = HTTPServerResponse(type: Self.json, Self.encode(value) + "\n")
            response.headers.append(("Cache-Control", "no-store"))
            return response
        }
        switch (parts.first, parts.count) {
        case ("openapi.json", 1): return HTTPServerResponse(type: Self.json, OpenAPI.text(version: options.version))
        case ("tenants", 1): return answer(try home.tenants())
        case ("t", 3...): break
        default: throw Refusal(404, "there is no \"\(request.path)\": see /api/openapi.json")
        }
        if let known = OpenAPI.parameters(of: request.path) {
            for name in request.query.map(\.name) where !known.contains(name) {
                let all = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
                throw Refusal(400, "\(request.path) has no parameter \"\(name)\": \(all)")
            }
        }
        guard request.method != "POST" else {
            throw Refusal(405, "the API only shows", headers: [("Allow", "GET, HEAD")])
        }
        let name = parts[1]
        guard try home.tenants().contains(name) else { throw Refusal(404, "there is no tenant \"\(name)\"") }
        let tenant = try home.tenant(name)
        let limit = Int(min(try Self.number("limit", of: request, from: 1) ?? 100, 10_000))
        switch (parts[2], parts.count) {
        case ("now", 3): return answer(try nowReport(name))
        case ("health", 3): return answer(HealthReport([try looks.look(name).now]))
        case ("views", 3): return answer(try tenant.views())
        case ("views", 4):
            let times = try Self.times(of: request, ZoneClock(identifier: looks.look(name).now.zone))
            return answer(try tenant.rows(ofView: parts[3], limit: limit, times: times))
        case ("workflows", 3): return answer(try tenant.workflows())
        case ("runs", 3): return answer(try tenant.workflowRuns(of: nil, limit: limit))
        case ("runs", 4): return answer(try tenant.steps(ofRun: parts[3]))
        case ("dead-letters", 3):
            return answer(try tenant.deadLetters(reason: Self.text("reason", of: request), limit: limit).table)
        case ("topics", 4):
            let asked = try recordsAsked(request, parts[3], zone: looks.look(name).now.zone, limit: limit)
            return answer(try tenant.records(asked).table)
        case ("history", 3):
            let series = request.parameter("series") ?? "processed"
            let step = Int(clamping: try Self.number("step", of: request, from: 1) ?? 1)
            return answer(events.history(name)?.samples(series, stepS: step) ?? [])
        case ("map", 3):
            let at = try Self.number("at", of: request, from: .min)
            guard let database = try ResultsDatabase.openReadOnlyIfAny(path: tenant.watched.home.resultsDB) else {
                throw Refusal(404, "there are no results yet")
            }
            guard let range = try MapFrame.range(on: database.connection) else {
                throw Refusal(404, "there are no hot spots yet")
            }
            let asked = at ?? range.upperBound
            let end = min(max(asked, range.lowerBound), range.upperBound)
            return answer(try MapFrame(on: database.connection, endMs: end, ZoneClock(identifier: database.zone)))
        default: throw Refusal(404, "there is no \"\(request.path)\": see /api/openapi.json")
        }
    }
}

/// The description of `/api`, by OpenAPI 3.1.
enum OpenAPI {
    private static let paths: [(path: String, summary: String, parameters: [String])] = [
        ("/api/tenants", "The names of all tenants.", []),
        (
            "/api/t/{tenant}/now", "What the page Now shows: health, the event day, rates, lag, queries, partitions.",
            ["tenant"]
        ),
        ("/api/t/{tenant}/health", "The rules of health, and those that do not hold.", ["tenant"]),
        ("/api/t/{tenant}/views", "The public views that have rows.", ["tenant"]),
        (
            "/api/t/{tenant}/views/{view}",
            "The newest rows of a view, the oldest first: of all times, or of windows and days that begin in [`from`, `to`), which are like `time` of topics.",
            ["tenant", "view", "from", "to", "limit"]
        ),
        (
            "/api/t/{tenant}/map", "Pickups of a quarter of an hour, which ends at the time `at` (ms UTC).",
            ["tenant", "at"]
        ),
        (
            "/api/t/{tenant}/history",
            "Samples of a series: each second, 10 seconds or 5 minutes (`step`: 1, 10, 300).",
            ["tenant", "series", "step"]
        ),
        ("/api/t/{tenant}/workflows", "The workflows, each with its schedule and last run.", ["tenant"]),
        ("/api/t/{tenant}/runs", "Runs of workflows, the newest first.", ["tenant", "limit"]),
        ("/api/t/{tenant}/runs/{run}", "The steps of a run.", ["tenant", "run"]),
        (
            "/api/t/{tenant}/topics/{topic}",
            "Records of a topic, from an offset or a time on (`time`: 2024-01-22T13:45:00 by the tenant's clock, or with an offset; `at`: ms UTC), all or those of a key.",
            ["tenant", "topic", "partition", "offset", "time", "at", "key", "limit"]
        ),
        (
            "/api/t/{tenant}/dead-letters", "Rejected records of a reason or of all, the newest first.",
            ["tenant", "reason", "limit"]
        ),
    ]

    /// What may stand behind the `?` of an address; nil for one that is not described.
    static func parameters(of path: String) -> [String]? {
        let parts = path.split(separator: "/")
        let found = paths.first { described in
            let wanted = described.path.split(separator: "/")
            return wanted.count == parts.count && zip(wanted, parts).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        return found.map { found in found.parameters.filter { !found.path.contains("{\($0)}") } }
    }

    static func text(version: String) -> String {
        var described: [String: Any] = [:]
        for (path, summary, parameters) in paths {
            let described1: [[String: Any]] = parameters.map { name in
                let isInPath = path.contains("{\(name)}")
                let isNumber = ["limit", "at", "partition", "offset", "step"].contains(name)
                return [
                    "name": name, "in": isInPath ? "path" : "query", "required": isInPath,
                    "schema": ["type": isNumber ? "integer" : "string"],
                ]
            }
            described[path] = [
                "get": [
                    "summary": summary, "parameters": described1,
                    "responses": [
                        "200": ["description": summary, "content": ["application/json": [String: String]()]],
                        "400": ["description": "A parameter that is not known, or means nothing."],
                        "404": ["description": "There is no such thing."],
                    ],
                ] as [String: Any]
            ]
        }
        let document: [String: Any] = [
            "openapi": "3.1.0", "info": ["title": "taxi-cli", "version": version], "paths": described,
        ]
        let data = try? JSONSerialization.data(
            withJSONObject: document, options: [.sortedKeys, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
