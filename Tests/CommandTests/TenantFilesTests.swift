import CommandSupport
import Foundation
import Testing

/// Files of a tenant's folder that are not what they should be.
@Suite struct TenantFilesTests {
    /// A pipe in the place of a file of the tenant's: nobody waits for who may write to it.
    @Test(
        arguments: [
            ("taxi.yaml", "status"), ("queries.yaml", "stream queries"), ("queries.yaml", "stream --until-end"),
            ("results.db", "status"), ("topics.db", "topic list"), ("schemas.db", "schema list"),
            ("workflows/workflows.yaml", "workflow list"),
        ])
    func aPipeInPlaceOfAFile(_ file: String, _ line: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("tenant", "create", "chicago")
        try FileManager.default.createDirectory(
            atPath: "\(taxi.tenantFolder)/workflows", withIntermediateDirectories: true)
        let path = "\(taxi.tenantFolder)/\(file)"
        unlink(path)
        #expect(mkfifo(path, 0o600) == 0)
        let ending = try taxi.start(line.split(separator: " ").map(String.init)).wait(timeout: 60)
        #expect([0, 65, 66, 73, 78].contains(ending.code), "\(ending.code): \(ending.errors)")
        #expect(line == "stream queries" || ending.code != 0 || line == "status", "\(ending.errors)")
    }

    @Test("a link that leads nowhere is not taken for no settings", arguments: ["taxi.yaml", "queries.yaml"])
    func linkToNowhere(_ file: String) throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try taxi.succeed("tenant", "create", "chicago")
        let path = "\(taxi.tenantFolder)/\(file)"
        unlink(path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/nowhere/\(file)")
        let ending = try taxi.run("stream", "--input", "trips.csv")
        #expect(ending.code == 66, "\(ending.errors)")
        #expect(ending.errors.contains("is a link to \"/nowhere/\(file)\", which is not there"), "\(ending.errors)")
    }

    @Test func aDamagedHistoryOfMetricsIsToldOfAndBeginsAnew() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("data", "generate", "--rows", "20", "trips.csv")
        try taxi.succeed("produce", "trips.csv", "--clock", "start")
        let path = "\(taxi.tenantFolder)/metrics.db"
        try "hello".write(toFile: path, atomically: true, encoding: .utf8)
        for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
        let doctor = try taxi.run("doctor")
        #expect(doctor.code == 65, "\(doctor.text)")
        #expect(doctor.text.contains("metrics.db"), "\(doctor.text)")
        try taxi.succeed("stream", "--until-end")
        try taxi.succeed("produce", "trips.csv", "--clock", "now")
        #expect(try taxi.run("doctor").code == 0)
        #expect(FileManager.default.fileExists(atPath: "\(path).damaged"))
    }

    @Test func aWrongZoneIsToldOfWithItsPlace() throws {
        let taxi = try TaxiCLI()
        try taxi.succeed("tenant", "create", "chicago")
        try "# of the taxis\nzone: America/Chikago\n"
            .write(toFile: "\(taxi.tenantFolder)/taxi.yaml", atomically: true, encoding: .utf8)
        for line in [["status"], ["config", "--changed"], ["stream", "--until-end"]] {
            let ending = try taxi.start(line).wait()
            #expect(ending.code == 78, "\(line): \(ending.errors)")
            #expect(
                ending.errors.contains("taxi.yaml:2:7: error: \"zone\": unknown time zone \"America/Chikago\""),
                "\(ending.errors)")
            #expect(ending.errors.contains("Did you mean \"America/Chicago\"?"))
        }
    }
}
