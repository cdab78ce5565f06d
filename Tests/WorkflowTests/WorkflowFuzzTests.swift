import Foundation
import FuzzSupport
import Problems
import Testing
import Time
import Trips
import YAML

@testable import Workflow

/// Workflows, templates, conditions and schedules that are nearly right.
@Suite struct WorkflowFuzzTests {
    private static let texts = [
        """
        name: monthly
        schedule: "0 3 1 * *"
        timezone: America/Chicago
        start: 2013-01-01
        catchup: 6h
        concurrency: 2
        timeout: 30m
        on_failure: {run: mend}
        params: {top: 10, name: x}
        steps:
          a: {batch: fare-trend, by: month, period: "{{ interval }}", retries: 3, backoff: 10s..5m}
          b: {sh: "echo {{ params.top }} {{ steps.a.rows }}", needs: [a], if: "{{ steps.a.rows }} > 0", env: {K: $HOME}}
          c: {report: "out/{{ interval }}.html", needs: [a], when: any_failed}
          d: {wait: {sql: "SELECT 1 WHERE '{{ params.name }}' = {{ params.top }} -- {{ run.id }}"}, timeout: 5s}
        """,
        """
        name: web
        steps:
          a: {http: {url: "https://host/{{ run.id }}", method: POST, headers: {X: "{{ env.A }}"}, body: b, expect: [200, 404]}}
          b: {s3: {put: f, to: "s3://bucket/key", region: eu-west-1}, pool: p}
          c: {sns: {topic: "arn:aws:sns:us-east-1:1:t", message: "{{ steps.a.body }}", subject: s}, needs: [a]}
          d: {ml: m, url: u, sql: SELECT 1, headers: {Authorization: "{{ file:token }}"}}
          e: {wait: {topic: t, offset: 3}}
          f: {shell: [echo, "{{ run.workflow }}"], allow_failure: true}
        """,
    ]
    private static let words = [
        "schedule: ", "\"@hourly\"", "\"*/15 * * * *\"", "catchup: all", "start: 0000-00-00", "start: 9999-12-31",
        "{{ interval }}",
        "{{ steps.a.", "{{ params.", "{{ env.", "{{ file:", " }}", "needs: [a, b]", "timeout: 1ms", "backoff: 1s..",
        "wait: ", "sql: ", "when: ",
        "s3://", "arn:aws:sns:", "timezone: Asia/Kathmandu",
    ]

    @Test(arguments: FuzzSeeds.all) func aWorkflowOrAProblem(_ seed: UInt64) throws {
        var mutator = TextMutator(seed: seed, texts: Self.texts, words: Self.words)
        for number in 0..<FuzzSeeds.inputs {
            let text = mutator.next()
            do throws(Problem) {
                var reader = SpecReader(
                    try YAMLNode.parse(text, file: "/nowhere/w.yaml"), file: "/nowhere/w.yaml", zone: "UTC", shared: nil
                )
                let spec = try reader.read()
                let interval = spec.schedule?.interval(dueBy: 1_700_000_000_000)
                #expect(RunPreview(spec, interval: interval, params: [:]).steps.count == spec.steps.count)
                if let interval {
                    let name = spec.name(of: interval)
                    #expect(
                        name.contains("T") || (try? spec.interval(name, now: 0)) == interval,
                        "seed \(seed), input \(number)")
                }
            } catch {
                let fault = fault(in: error, of: text)
                #expect(fault == nil, "seed \(seed), input \(number): \(fault ?? "") in \(error)")
            }
        }
    }

    @Test(arguments: FuzzSeeds.all) func templatesAndConditions(_ seed: UInt64) throws {
        var mutator = TextMutator(
            seed: seed,
            texts: ["out/{{ interval }}.csv", "{{ params.x }} >= {{steps.a.rows}}", "{{ env.A }}{{file:a/b}} == 'x'"],
            words: Self.words)
        for number in 0..<FuzzSeeds.inputs {
            let text = String(decoding: mutator.next(), as: UTF8.self)
            do throws(Template.Mistake) {
                let template = try Template(text)
                #expect(template.source == text)
                for (_, offset) in template.references { #expect((0...text.utf8.count).contains(offset)) }
            } catch {
                #expect((0...text.utf8.count).contains(error.offset), "seed \(seed), input \(number)")
            }
            do throws(Template.Mistake) {
                let comparison = try Comparison(text)
                _ = try? comparison.holds(comparison.left.source, comparison.right.source)
            } catch {
                #expect((0...text.utf8.count).contains(error.offset), "seed \(seed), input \(number)")
            }
        }
    }

    /// Against a walk minute by minute.
    @Test(arguments: FuzzSeeds.all) func schedules(_ seed: UInt64) throws {
        var mutator = TextMutator(
            seed: seed,
            texts: ["0 3 1 * *", "*/15 8-18 * * mon-fri", "30 2 * 3,11 *", "@monthly", "5/7 0,12 1-7 jan-mar 0-7/2"],
            words: ["*", "/", "-", ",", "59", "31", "@", "sun", "feb"])
        let zone = try ZoneClock(identifier: "America/Chicago")
        for number in 0..<FuzzSeeds.inputs {
            let text = String(decoding: mutator.next(), as: UTF8.self)
            let cron: Cron
            do throws(Cron.Mistake) { cron = try Cron(text) } catch {
                #expect((0...text.utf8.count).contains(error.offset), "seed \(seed), input \(number): \(text)")
                continue
            }
            let schedule = Schedule(cron, zone: zone)
            // Around the changes of the clock.
            let time = [1_710_000_000_000, 1_730_500_000_000].randomElement(using: &mutator.random).map { base in
                base + Int64.random(in: 0...200_000_000, using: &mutator.random)
            }
            guard let time, let next = schedule.next(after: time) else { continue }
            #expect(next > time, "\(text)")
            #expect(schedule.previous(before: next + 1) == next, "seed \(seed), input \(number): \(text)")
            if let previous = schedule.previous(before: next) {
                #expect(
                    previous <= time && schedule.next(after: previous) == next, "seed \(seed), input \(number): \(text)"
                )
            }
        }
    }
}
