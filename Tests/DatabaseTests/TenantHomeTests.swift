import TestSupport
import Foundation
import Glibc
import Problems
import Testing

@testable import Database

@Suite struct TenantHomeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var home: String?
        var environment: [String: String]
        var path: String?
    }

    @Test(arguments: [
        Case(
            testDescription: "an explicit home wins", home: "/h", environment: ["XDG_DATA_HOME": "/x", "HOME": "/u"],
            path: "/h"),
        Case(testDescription: "final slashes go", home: "/h//", environment: [:], path: "/h"),
        Case(testDescription: "the root stays", home: "/", environment: [:], path: "/"),
        Case(
            testDescription: "a relative home counts from here", home: "h", environment: [:],
            path: "\(FileManager.default.currentDirectoryPath)/h"),
        Case(testDescription: "then XDG", environment: ["XDG_DATA_HOME": "/x", "HOME": "/u"], path: "/x/taxi-cli"),
        Case(
            testDescription: "unless it is relative", environment: ["XDG_DATA_HOME": "x", "HOME": "/u"],
            path: "/u/.local/share/taxi-cli"),
        Case(
            testDescription: "or empty", environment: ["XDG_DATA_HOME": "", "HOME": "/u"],
            path: "/u/.local/share/taxi-cli"),
        Case(testDescription: "without any there is none", environment: ["HOME": ""], path: nil),
    ])
    func resolvesTheHome(_ c: Case) throws {
        guard let path = c.path else {
            let problem = #expect(throws: Problem.self) { try TenantHome(home: c.home, environment: c.environment) }
            #expect(problem?.code == .configuration)
            return
        }
        let home = try TenantHome(home: c.home, environment: c.environment)
        #expect(home.home == path)
        #expect(home.tenant == "chicago")
        #expect(home.resultsDB == "\(path)/chicago/results.db")
    }

    /// `--home=~/x` is what a shell leaves alone: never the folder "~" of the present one, nor a guess.
    @Test(arguments: ["", "~", "~/h", "~user/h", "a\0b"])
    func refusesAHomeThatCannotBeMeant(_ home: String) {
        let problem = #expect(throws: Problem.self) { try TenantHome(home: home, environment: ["HOME": "/u"]) }
        #expect(problem?.code == .usage)
        #expect(problem?.hint != nil)
    }

    @Test func namesOfTenantsAreWords() throws {
        for name in ["chicago", "NYC-2", "a_b", "_a", "_", "9", String(repeating: "x", count: 64)] {
            #expect(try TenantHome(home: "/h", tenant: name, environment: [:]).path == "/h/\(name)")
        }
        for name in ["", ".", "..", "-a", "-", ".a", "a/b", "a b", "é", "a\0", String(repeating: "x", count: 65)] {
            let problem = #expect(throws: Problem.self, "\(name)") {
                try TenantHome(home: "/h", tenant: name, environment: [:])
            }
            #expect(problem?.code == .usage)
        }
    }

    @Test func createsItsFoldersForTheirOwnerOnly() throws {
        let folder = try TemporaryFolder()
        let home = try TenantHome(home: folder("a/b"), environment: [:])
        #expect(!home.exists)
        try home.create()
        try home.create()
        #expect(home.exists)
        for path in [folder("a"), folder("a/b"), home.path] {
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o700)
        }
    }

    @Test func tellsWhatIsInTheWay() throws {
        let folder = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: folder("file")))
        for path in [folder("file"), folder("file/below")] {
            let problem = #expect(throws: Problem.self) { try TenantHome(home: path, environment: [:]).create() }
            #expect(problem?.code == .cannotCreate)
            #expect(problem?.message.contains("a file is in the way") == true)
        }
        let closed = folder("closed")
        mkdir(closed, 0o555)
        chmod(folder.path, 0o755)
        let problem = asNobody { () -> Problem? in
            do {
                try TenantHome(home: closed, environment: [:]).create()
                return nil
            } catch {
                return error as? Problem
            }
        }
        #expect(problem?.code == .noPermission)
        #expect(problem?.message.hasPrefix("cannot create \"\(closed)/chicago\": ") == true)
    }

    @Test func knowsItsTenants() throws {
        let folder = try TemporaryFolder()
        #expect(try TenantHome.tenants(in: folder("none")) == [])
        for tenant in ["nyc", "chicago", "_x"] {
            try TenantHome(home: folder.path, tenant: tenant, environment: [:]).create()
        }
        try Data().write(to: URL(fileURLWithPath: folder("file")))
        mkdir(folder(".hidden"), 0o700)
        #expect(try TenantHome.tenants(in: folder.path) == ["_x", "chicago", "nyc"])
        let problem = #expect(throws: Problem.self) {
            try TenantHome(home: folder.path, tenant: "chicgao", environment: [:]).requireExisting()
        }
        #expect(problem?.code == .noInput)
        #expect(problem?.hint == "Did you mean \"chicago\"?")
    }
}
