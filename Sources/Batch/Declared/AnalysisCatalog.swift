import Foundation
public import Problems

/// The declared analyses that a tenant has: those that come with taxi-cli and the ones of its own folder.
public enum AnalysisCatalog {
    /// Reads the shipped analyses and each `*.sql` of `folder`, by name of the file; the folder need not exist.
    ///
    /// - Throws: `Problem(.configuration)` with all that is wrong in the headers, each with its place; `.noInput` for a file that
    ///   cannot be read.
    public static func load(folder: String) throws(Problem) -> [DeclaredAnalysis] {
        var analyses: [DeclaredAnalysis] = []
        for text in ShippedAnalyses.texts { analyses.append(try .parse(text, file: ShippedAnalyses.fileName)) }
        var problems: [Problem] = []
        let names = Files.names(in: folder) ?? []
        for name in names.filter({ $0.hasSuffix(".sql") && !$0.hasPrefix(".") }).sorted() {
            let path = "\(folder)/\(name)"
            do throws(Problem) {
                let bytes = try Files.contents(of: path, limitBytes: 8 << 20)
                let analysis = try DeclaredAnalysis.parse(String(decoding: bytes, as: UTF8.self), file: path)
                if let other = analyses.first(where: { $0.name == analysis.name }) {
                    problems.append(
                        analysis.problem(
                            "there is an analysis \"\(analysis.name)\" already, in \(other.file)", line: 1,
                            hint: "Give this one another name."))
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
}
