import TestSupport
import Glibc
import SQLite
import Testing

@testable import Database

@Suite struct ResultsPresenceTests {
    @Test func whatWasMissedOnceStaysMissed() throws {
        let folder = try TemporaryFolder()
        let presence = ResultsPresence(try ResultsDatabase(path: folder("results.db"), durability: .normal))
        try presence.require()
        #expect(rename(folder("results.db"), folder("aside")) == 0)
        #expect(throws: SQLiteError.self) { try presence.require() }
        #expect(rename(folder("aside"), folder("results.db")) == 0)
        let error = #expect(throws: SQLiteError.self) { try presence.require() }
        #expect(error?.code == .gone)
        // Whoever comes now finds it in its place.
        try ResultsPresence(try ResultsDatabase(path: folder("results.db"), durability: .normal)).require()
    }
}
