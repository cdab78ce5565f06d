import CommandSupport
import Foundation
import KafkaSupport
import SQLite
import Testing

/// A month that is restated while its trips and results are on a real Kafka.
@Suite(.enabled(if: KafkaBroker.isAvailable, "needs ../shared/kafka/kafka.sh and Java 17, or TAXI_TEST_KAFKA"))
struct KafkaRestateTests {
    @Test func aRestatedMonthIsThatOfADatabaseWhichNeverSawTheOldFile() throws {
        let months = try TwoMonths(.onKafka())
        try months.fill()
        try months.run(TwoMonths.restate + ["--yes"])
        try expectSameTables(months.taxi, TwoMonths.fresh())
        try months.audit()
        // Its messages are the revisions that the views have.
        let days = try months.taxi.succeed("topic", "tail", "tripsTotalStream", "--from-beginning").lines.map {
            try jsonObject($0)
        }
        let newest = Dictionary(days.map { ("\($0["day"] ?? "")", "\($0["trips_total"] ?? "")") }) { $1 }
        let rows = try months.taxi.query("SELECT day, trips_total FROM tripstotal")
        for row in rows { #expect(newest[row[0].text ?? ""] == "\(row[1].integer ?? -1)") }
        // A stream goes on where it stood, and passes over what comes late for the period.
        try months.run(["produce", "march.csv", "--max", "--again"] + TwoMonths.read)
        try months.run(["stream", "--until-end"])
        try expectSameTables(months.taxi, TwoMonths.fresh())
        try months.audit()
    }
}
