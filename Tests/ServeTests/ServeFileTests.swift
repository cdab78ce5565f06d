import Foundation
import Problems
import Testing

@testable import Serve

@Suite struct ServeFileTests {
    private static let known = ["produce", "stream", "workflow", "publish"]

    private func load(_ text: String) throws -> ServeSpec {
        let path = FileManager.default.temporaryDirectory.path + "/serve-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let checks = ServeSpec.Checks { (words) throws(Problem) in
            guard Self.known.contains(words[0]) else {
                throw Problem(.usage, "there is no command \"taxi-cli \(words[0])\"")
            }
            if let wrong = words.first(where: { $0.contains("wrong") }) {
                throw Problem(.usage, "unknown option \"\(wrong)\"")
            }
        } zone: { (name) throws(Problem) in
            if name == "Nowhere" { throw Problem(.usage, "unknown time zone \"\(name)\"") }
        } pages: { (key, pages) throws(Problem) in
            if key == "listen", pages.listen == "wrong" { throw Problem(.usage, "\"wrong\" is no address") }
        }
        return try ServeSpec.load(path: path, home: "/home", checks: checks)
    }

    @Test func anAnnotatedFileIsRead() throws {
        let spec = try load(
            """
            listen: none
            workers: 6
            stop-timeout: 5s
            restart: {backoff: 100ms..5s, attempts: 3}
            logs: {size: 64K, files: 2, age: 7d}
            tenants:
              chicago:
                weight: 3
                broker: kafka:9092
                limits: {records: 10k/m, disk: 20GB, memory: 512MB, workers: 2}
                services:
                  replay: {args: [a.csv, -], rate: 100/s, loop: true, after: [stream]}
                  stream: {delay: 30s, query: [one, two], until-end: }
                  nightly: {kind: workflow}
              springfield:
                services: {publish: [postgres:///bi, --every, 5s]}
            """)
        #expect(spec.pages.listen == nil && spec.workers == 6 && spec.stopMs == 5000)
        #expect(spec.restart == RestartSpec(firstMs: 100, limitMs: 5000, attempts: 3))
        #expect(spec.logs == LogSpec(sizeBytes: 65_536, files: 2, ageMs: 7 * 86_400_000))
        let chicago = spec.tenants[0]
        #expect(chicago.weight == 3)
        #expect(
            chicago.limits
                == LimitsSpec(
                    recordsPerSecond: 10_000.0 / 60, diskBytes: 20_000_000_000, memoryBytes: 512_000_000, workers: 2))
        // In the order in which they start.
        #expect(chicago.services.map(\.name) == ["stream", "replay", "nightly"])
        #expect(
            chicago.services[0].words
                == [
                    "stream", "--home=/home", "--tenant=chicago", "--broker=kafka:9092", "--workers=2", "--delay=30s",
                    "--query=one", "--query=two",
                    "--until-end",
                ])
        #expect(
            chicago.services[1].words
                == [
                    "produce", "--home=/home", "--tenant=chicago", "--resume", "--broker=kafka:9092", "--rate=100/s",
                    "--loop=true", "a.csv", "-",
                ])
        #expect(chicago.services[2].words.prefix(2) == ["workflow", "serve"])
        #expect(
            spec.tenants[1].services[0].words == [
                "publish", "--home=/home", "--tenant=springfield", "--watch", "postgres:///bi", "--every", "5s",
            ])
        #expect(spec.tenants[1].weight == 1 && spec.tenants[1].limits == LimitsSpec())
    }

    @Test func everyMistakeIsToldAtOnceWithItsPlace() throws {
        let problem = #expect(throws: Problem.self) {
            try load(
                """
                lisen: none
                workers: 0
                restart: {backoff: 5s..1s}
                logs: {size: some}
                tls-cert: c.pem
                tenants:
                  a:
                    wieght: 2
                    weight: many
                    limits: {records: fast, disk: -1, wrkers: 2, workers: 2}
                    services:
                      stream: {wrong-delay: 3s}
                      replay: [x.csv, --wrong]
                      strem:
                      ml:
                      other: {kind: stream, after: [nobody, other]}
                      s2: {kind: stream, workers: 4}
                      text: {kind: stream, after: [loop1]}
                  -b:
                    services: {stream: }
                  c: {}
                  d:
                    services:
                      stream: {after: [replay]}
                      replay: {args: x, after: [stream]}
                """)
        }
        let all = try [#require(problem)] + #require(problem).others
        let places = all.map { "\($0.location?.line ?? 0):\($0.location?.column ?? 0)" }
        #expect(
            places == [
                "1:1", "2:10", "3:20", "4:14", "5:11", "8:5", "9:13", "10:23", "10:35", "10:39", "12:29", "13:23",
                "14:7", "15:7", "16:37", "16:45", "17:35", "18:36", "19:3", "21:6", "24:23",
            ], "\(all)")
        #expect(all.allSatisfy { $0.code == .configuration })
        #expect(all[0].hint?.contains("Did you mean \"listen\"") == true)
        #expect(all[12].hint?.contains("Did you mean \"stream\"") == true)
        #expect(all[20].message.contains("circle"))
    }

    @Test func everyWordOfAServiceAndTheAddressHaveTheirPlace() throws {
        let problem = #expect(throws: Problem.self) {
            try load(
                """
                listen: wrong
                tenants:
                  a:
                    broker: wrong
                    zone: Nowhere
                    services:
                      stream: {wrong-one: 3, delay: 3s, wrong-two: 4}
                      replay: {args: a.csv}
                """)
        }
        let all = try [#require(problem)] + #require(problem).others
        #expect(
            all.map { "\($0.location?.line ?? 0):\($0.location?.column ?? 0)" } == [
                "1:9", "4:13", "5:11", "7:27", "7:52",
            ],
            "\(all)")
    }

    @Test(arguments: [
        "[--tenant, b]", "[--tenant=b]", "{home: /tmp}", "[--workers, '9']", "{workers: 9}", "[--workers=9]",
    ])
    func aServiceStaysItsTenantsAndWithinItsLimits(_ words: String) throws {
        let problem = #expect(throws: Problem.self) {
            try load("tenants:\n  a:\n    limits: {workers: 2}\n    services:\n      stream: \(words)\n")
        }
        #expect(problem?.location?.line == 5 && problem?.others.isEmpty == true, "\(problem.map { "\($0)" } ?? "")")
    }

    @Test(arguments: ["", "tenants: []", "tenants: {}", "tenants: {a: }", "tenants: {a: {services: [stream]}}", "- a"])
    func whatIsNoSuchFileIsRefused(_ text: String) throws {
        let problem = #expect(throws: Problem.self) { try load(text) }
        #expect(problem?.code == .configuration)
    }
}
