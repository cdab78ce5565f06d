import Foundation
package import Testing

/// The trips of two months in a topic, and a newer publication of the second one.
package struct TwoMonths {
    package let taxi: TaxiCLI
    package static let restate = ["stream", "restate", "--month", "2024-03", "--from", "newer.csv"] + read
    package static let read = ["--clock", "start", "--spread", "uniform"]

    package init(_ taxi: TaxiCLI) throws {
        self.taxi = taxi
        for (name, from, to, seed) in [
            ("february.csv", "2024-02-20", "2024-02-29", "1"), ("march.csv", "2024-03-01", "2024-03-10", "2"),
            ("newer.csv", "2024-03-01", "2024-03-11", "3"),
        ] {
            try run(["data", "generate", "--rows", "600", "--seed", seed, "--from", from, "--to", to, name])
        }
    }

    package func run(_ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
        let ending = try taxi.start(arguments).wait(timeout: 240, sourceLocation: sourceLocation)
        try #require(ending.code == 0, "\(arguments): \(ending.errors)", sourceLocation: sourceLocation)
    }

    /// Sends files, and computes their results.
    package func fill(_ names: [String] = ["february.csv", "march.csv"], options: [String] = []) throws {
        for name in names { try run(["produce", "\(name)", "--max"] + Self.read) }
        try run(["stream", "--until-end"] + options)
    }

    /// Where the second month has always been the newer one.
    package static func fresh(_ options: [String] = [], files: [String: String] = [:]) throws -> TaxiCLI {
        let other = try TwoMonths(TaxiCLI())
        for (name, text) in files { try text.write(toFile: other.taxi(name), atomically: true, encoding: .utf8) }
        try other.fill(["february.csv", "newer.csv"], options: options)
        return other.taxi
    }

    package func audit(_ options: [String] = [], sourceLocation: SourceLocation = #_sourceLocation) throws {
        try run(["audit"] + options, sourceLocation: sourceLocation)
    }
}
