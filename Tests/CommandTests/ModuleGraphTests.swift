import Foundation
import Testing

/// The modules of the house: what they import, what Package.swift lets them import, and what docs/ARCHITECTURE.md shows.
@Suite struct ModuleGraphTests {
    /// Imports of a folder of Sources, as far as they are other folders of it.
    private func imports(of module: String) throws -> Set<String> {
        let folder = "\(ReadmeTests.root)/Sources/\(module)"
        let line =
            /^(?:@\w+ )?(?:(?:public|package|internal|private|fileprivate) )?import (?:(?:struct|func|class|enum|protocol) )?(\w+)/
        var found: Set<String> = []
        for case let path as String in FileManager.default.enumerator(atPath: folder) ?? .init()
        where path.hasSuffix(".swift") {
            for match in try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8).matches(
                of: line.anchorsMatchLineEndings())
            {
                found.insert(String(match.1))
            }
        }
        return found.intersection(try folders())
    }

    private func folders() throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: "\(ReadmeTests.root)/Sources"))
    }

    /// The lines of the picture, from above: a module, and what it imports beside Problems.
    private func picture() throws -> [(module: String, imports: Set<String>)] {
        let text = try String(contentsOfFile: "\(ReadmeTests.root)/docs/ARCHITECTURE.md", encoding: .utf8)
        let block = try #require(text.firstMatch(of: /```modules\n([^`]*)```/)).1
        var rows: [(module: String, imports: Set<String>)] = []
        for line in block.split(separator: "\n") {
            let parts = line.split(separator: "▶", omittingEmptySubsequences: false)
            let names = parts[parts.count - 1].split { $0 == "," || $0 == " " }.map(String.init)
            if parts.count == 2 {
                rows.append((parts[0].trimmingCharacters(in: .whitespaces), Set(names)))
            } else {
                rows[rows.count - 1].imports.formUnion(names)
            }
        }
        return rows
    }

    @Test func thePictureShowsEveryImport() throws {
        let rows = try picture()
        for (module, shown) in rows {
            let found = try imports(of: module).subtracting(["Problems"])
            #expect(
                shown == found,
                "\(module): the picture and the imports differ in \(shown.symmetricDifference(found).sorted())")
        }
        let withSwift = try folders().filter { try !imports(of: $0).isEmpty || $0 == "Problems" }
        #expect(Set(rows.map(\.module)).union(["Problems"]).isSuperset(of: withSwift))
    }

    @Test func importsPointDown() throws {
        let rows = try picture()
        for (index, row) in rows.enumerated() {
            let above = Set(rows[...index].map(\.module)).intersection(row.imports)
            #expect(above.isEmpty, "\(row.module) imports what stands above it: \(above.sorted())")
        }
        #expect(try imports(of: "Problems") == ["Basics"])
        #expect(try imports(of: "Basics").isEmpty)
    }

    /// What a target may import and does not is a module that it is built after for nothing.
    @Test func whatATargetMayImportItImports() throws {
        let package = try String(contentsOfFile: "\(ReadmeTests.root)/Package.swift", encoding: .utf8)
        let declared = package.matches(of: /\n +module\(\s*"(\w+)"(?:,\s*\[([^\]]*)\])?/)
        #expect(declared.count > 20)
        for match in declared {
            let names = Set((match.2 ?? "").matches(of: /"(\w+)"/).map { String($0.1) })
            #expect(try names == imports(of: String(match.1)), "\(match.1)")
        }
    }
}
