import Foundation

extension TaxiCLI {
    /// The path of a file of Tests/Inputs: small inputs that stand for a kind.
    package static func input(_ name: String, from file: String = #filePath) -> String {
        URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Inputs/\(name)").path
    }
}
