import CommandSupport
import Foundation
import SQLite
import Testing

/// Quantiles as people read them: one definition in `fare_trend`, in `quantile()` and in the report, whatever the sign.
@Suite struct QuantileTests {
    private static let inputs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Inputs").path

    private func number(_ taxi: TaxiCLI, _ sql: String) throws -> Double {
        try #require(try taxi.query(sql)[0][0].real)
    }

    private func computed(_ file: String) throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        try taxi.succeed("produce", "\(Self.inputs)/\(file)", "--clock", "start", "--max", "--quiet")
        try taxi.succeed("stream", "--until-end", "--queries", "\(Self.inputs)/daily-quantiles.yaml", "--quiet")
        try taxi.succeed("batch", "--quiet")
        return taxi
    }

    /// Of 10.00, 20.00 … 100.00 the 8th is the first up to which three quarters lie.
    @Test func tenFaresHaveOneThirdQuartile() throws {
        let taxi = try computed("ten-fares.csv")
        let declared = try number(taxi, "SELECT p75 FROM qd")
        let trend = try number(taxi, "SELECT fare_p75 FROM fare_trend WHERE period_kind = 'month'")
        #expect(abs(declared - 80) <= 0.4)
        #expect(declared == trend)
        for (percent, fare) in [(10, 10.0), (25, 30), (50, 50), (90, 90), (99, 100)] {
            let found = try number(taxi, "SELECT fare_p\(percent) FROM fare_trend WHERE period_kind = 'year'")
            #expect(abs(found - fare) <= fare * 0.005, "p\(percent)")
        }
        #expect(try taxi.succeed("report", "-").text.contains("p75 \(trend)"))
        #expect(
            try taxi.run("audit", "--queries", "\(Self.inputs)/daily-quantiles.yaml").code == 0)
    }

    @Test func faresBelowZeroAreWithinHalfAPercentToo() throws {
        let taxi = try computed("negative-fares.csv")
        #expect(abs(try number(taxi, "SELECT p75 FROM qd") + 15) <= 0.075)
        #expect(abs(try number(taxi, "SELECT fare_p50 FROM fare_trend WHERE period_kind = 'month'") + 15) <= 0.075)
        let bounds = try taxi.query("SELECT fare_from, fare_to, trips FROM faredistribution")
        #expect(bounds.count == 1)
        #expect(try #require(bounds[0][0].real) <= -15 && #require(bounds[0][1].real) > -15 && bounds[0][2] == 2)
    }

    // MARK: Results of release 0.1.0

    /// The tenant as release 0.1.0 left it: ten fares in the topic, all results and analyses in wide buckets.
    private func older() throws -> TaxiCLI {
        let taxi = try TaxiCLI()
        let ending = try taxi.shell(
            "mkdir -p data/taxi-cli && tar -xzf '\(Self.inputs)/tenant-of-release-0.1.0.tar.gz' -C data/taxi-cli")
        try #require(ending.code == 0, "\(ending.errors)")
        return taxi
    }

    @Test func resultsInWiderBucketsAreNeitherAddedToNorMisread() throws {
        let taxi = try older()
        for command in [["stream", "--until-end"], ["batch"]] {
            let refused = try taxi.start(command).wait()
            #expect(refused.code == 78)
            #expect(refused.errors.contains("in buckets of"), "\(refused.errors)")
            #expect(
                refused.errors.contains("hint: Compute them anew from the topic: taxi-cli stream --from-beginning."))
        }
        // What is stored keeps its meaning: 10.00 dollars lie in the bucket that they were counted in.
        let bounds = try taxi.query("SELECT fare_from, fare_to FROM faredistribution WHERE total_fare = 10")
        #expect(try #require(bounds.first?[0].real) < 9.8 && #require(bounds.first?[1].real) > 10.1)
        #expect(try number(taxi, "SELECT fare_p75 FROM fare_trend WHERE period_kind = 'month'") == 79.51)
    }

    @Test func resultsInWiderBucketsAreComputedAnewFromTheTopic() throws {
        let (taxi, queries) = (try older(), "\(Self.inputs)/daily-quantiles.yaml")
        try taxi.succeed("stream", "--until-end", "--from-beginning", "--queries", queries, "--quiet")
        try taxi.succeed("batch", "--quiet")
        #expect(abs(try number(taxi, "SELECT p75 FROM qd") - 80) <= 0.4)
        #expect(abs(try number(taxi, "SELECT fare_p75 FROM fare_trend WHERE period_kind = 'month'") - 80) <= 0.4)
        #expect(try taxi.run("audit", "--queries", queries).code == 0)
    }
}
