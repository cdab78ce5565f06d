import CommandSupport
import Foundation
import SQLite
import Testing

/// Streams whose topic is not there yet, or not the one that they knew.
@Suite struct TopicsAnewTests {
    @Test func offsetsOfADeletedTopicAreRefusedByTheNextOfItsName() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "500", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("topic", "delete", "ingestData", "--yes")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        let refused = try taxi.run("stream", "--until-end")
        #expect(refused.code == 65)
        #expect(refused.errors.contains("--from-beginning"), "\(refused.errors)")
        try taxi.succeed("stream", "--until-end", "--from-beginning")
        #expect(try taxi.query("SELECT sum(trips_total) FROM tripstotal")[0][0].integer == 500)
    }

    @Test func aBoundedStreamWithoutATopicSaysWhatIsMissing() throws {
        let ending = try TaxiCLI().run("stream", "--until-end")
        #expect(ending.code == 66)
        #expect(ending.errors.contains("taxi-cli produce"), "\(ending.errors)")
    }

    @Test func aStreamThatIsStartedFirstTakesThePartitionsOfTheReplay() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "500", "trips.csv")
        let stream = try taxi.start(["stream"])
        try taxi.succeed("produce", "trips.csv", "--clock", "start", "--partitions", "3")
        let deadline = Date().addingTimeInterval(30)
        while Date() < deadline {
            let trips = try? taxi.query("SELECT sum(trips_total) FROM tripstotal")
            if trips?[0][0].integer == 500 { break }
            usleep(20_000)
        }
        stream.signal(SIGINT)
        #expect(stream.wait().code == 130)
        #expect(try taxi.query("SELECT sum(trips_total) FROM tripstotal")[0][0].integer == 500)
    }
}
