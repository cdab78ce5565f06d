import Foundation
public import Problems

/// Makes PNG of SVG with librsvg's `rsvg-convert`.
public struct PictureConverter: Sendable {
    private let program: String

    /// Looks for the program in the folders of `PATH`.
    ///
    /// - Throws: `Problem(.unavailable)` where it is not installed.
    public init(path: String?) throws(Problem) {
        let folders = (path ?? "").split(separator: ":")
        guard
            let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/rsvg-convert") })
        else {
            throw Problem(
                .unavailable, "PNG needs rsvg-convert, which is not installed",
                hint: "Install it (Debian and Ubuntu: apt install librsvg2-bin), or take the HTML page without --png.")
        }
        program = "\(folder)/rsvg-convert"
    }

    /// Writes a picture, two pixels for each of the drawing's, replacing the file if there is one.
    ///
    /// - Throws: `Problem(.cannotCreate)` with the program's own words.
    public func write(svg: String, toPNG path: String) throws(Problem) {
        let (process, input, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["--format", "png", "--zoom", "2"]
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
        do {
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data(svg.utf8))
            try input.fileHandleForWriting.close()
        } catch {
            throw Problem(.cannotCreate, "cannot make \"\(path)\": rsvg-convert: \(error.localizedDescription)")
        }
        let picture = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
        let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let reason = words.split(separator: "\n").first.map(String.init) ?? "exit code \(process.terminationStatus)"
            throw Problem(.cannotCreate, "cannot make \"\(path)\": \(reason)")
        }
        try Files.replace(path, with: picture)
    }
}
