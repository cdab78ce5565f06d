import Basics
import Problems
import Testing

@testable import Postgres

@Suite struct PostgresURLTests {
    @Test func takesTheSchemaOut() throws {
        let url = try PostgresURL("postgres://u@h:5432/d?sslmode=require&schema=a%20b&application_name=x")
        #expect(url.schema == "a b")
        #expect(url.connection == "postgres://u@h:5432/d?sslmode=require&application_name=x")
        #expect(url.shown == "postgres://u@h:5432/d")
        #expect(!url.hasPassword)
        #expect(try PostgresURL("postgresql:///d?schema=x").connection == "postgresql:///d")
    }

    @Test(arguments: [
        "postgres://u:hunter2@h/d", "postgres://u:hun@ter2@h/d", "postgres://u@h/d?password=hunter2",
        "postgres://u@h/d?sslpassword=hunter2", "postgres://:hunter2@h/d",
    ]) func showsNoPassword(_ text: String) throws {
        let url = try PostgresURL(text)
        #expect(url.hasPassword)
        #expect(!url.shown.contains("hunter2") && !url.shown.contains("ter2"))
    }

    @Test(arguments: [
        "", "postgres:", "mysql://u:hunter2@h/d", "host=h password=hunter2", "postgres://h/d?schema=",
        "postgres://h/d?schema=%zz", "postgres://h/d?schema=pg_x", "postgres://h/d d", "postgres://h/d?schema=%00",
    ]) func refusesWhatIsNone(_ text: String) throws {
        let problem = #expect(throws: Problem.self) { try PostgresURL(text) }
        #expect(problem?.code == .usage)
        #expect(problem.map { !"\($0)".contains("hunter2") } == true)
    }

    @Test func readsAVerboseRefusal() {
        let refusal = Refusal(
            connecting:
                "connection to server at \"h\", port 5432 failed: FATAL:  28P01: password authentication failed for user \"x\"\nLOCATION:  auth_failed, auth.c:326\n"
        )
        #expect(refusal.state == "28P01")
        #expect(refusal.problem(at: "postgres://h", doing: nil).code == .noPermission)
        #expect(Refusal(connecting: "connection refused").problem(at: "", doing: nil).code == .unavailable)
        for (state, code) in [
            ("3D000", Problem.Code.configuration), ("42501", .noPermission), ("53100", .inputOutput),
            ("57P01", .unavailable),
            ("40001", .unavailable), ("23505", .badData), ("2BP01", .configuration),
        ] {
            #expect(Refusal(state: state, message: "").problem(at: "", doing: "x").code == code)
        }
    }

    @Test func quotesNamesAndTexts() {
        #expect(SQLText.name("a\"b") == "\"a\"\"b\"")
        #expect(Identifier.literal("a'b\\") == "E'a''b\\\\'")
    }
}
