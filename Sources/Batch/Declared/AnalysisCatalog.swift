import Foundation
public import Problems

/// The declared analyses that a tenant has: those that come with taxi-cli and the ones of its own folder.
public enum AnalysisCatalog {
    /// Reads the shipped analyses and each `*.sql` of `folder`, by name of the file; the folder need not exist.
    ///
    /// - Parameter queries: names of queries by their views, which no analysis can have.
    /// - Throws: `Problem(.configuration)` with all that is wrong in the headers, each with its place; `.noInput` for a file that
    ///   cannot be read.
    public static func load(folder: String, queries: [String: String] = [:]) throws(Problem) -> [DeclaredAnalysis] {
        var analyses: [DeclaredAnalysis] = []
        for text in ShippedAnalyses.texts { analyses.append(try .parse(text, file: ShippedAnalyses.fileName)) }
        var problems: [Problem] = []
        let names = Files.names(in: folder) ?? []
        for name in names.filter({ $0.hasSuffix(".sql") && !$0.hasPrefix(".") }).sorted() {
            let path = "\(folder)/\(name)"
            do throws(Problem) {
                let bytes = try Files.contents(of: path, limitBytes: 8 << 20)
                let analysis = try DeclaredAnalysis.parse(bytes, file: path)
                if let other = analyses.first(where: { $0.name == analysis.name }) {
                    problems.append(
                        analysis.problem(
                            "there is an analysis \"\(analysis.name)\" already, in \(other.file)", line: 1,
                            hint: "Give this one another name."))
                } else if let query = queries[analysis.name]
                    ?? queries.values.first(where: { $0.lowercased() == analysis.name })
                {
                    problems.append(
                        analysis.problem(
                            "the name \"\(analysis.name)\" is that of query \"\(query)\"", line: 1,
                            hint: "Give the analysis another name."))
                } else {
                    analyses.append(analysis)
                }
            } catch {
                var first = error
                first.others = []
                problems += [first] + error.others
            }
        }
        if var first = problems.first {
            first.others = Array(problems.dropFirst())
            throw first
        }
        return analyses
    }

    /// The names that analyses have, with the files that declare them; those of files with mistakes stay out, of which `batch` tells.
    public static func names(folder: String) -> [String: String] {
        let analyses: [DeclaredAnalysis]
        do throws(Problem) { analyses = try load(folder: folder) } catch {
            analyses = (try? load(folder: "")) ?? []
        }
        let own = Analysis.allCases.map { ($0.view, "(shipped analyses)") }
        return Dictionary(own + analyses.map { ($0.name, $0.file) }) { first, _ in first }
    }
}
