internal import Foundation
internal import Glibc
public import Problems

/// Makes PNG of SVG with librsvg's `rsvg-convert`.
public struct PictureConverter: Sendable {
    private let program: String
    private let environment: [String: String]

    /// Looks for the program in the folders of `PATH`.
    ///
    /// - Throws: `Problem(.unavailable)` where it is not installed.
    public init(environment: [String: String]) throws(Problem) {
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        guard
            let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/rsvg-convert") })
        else {
            throw Problem(
                .unavailable, "PNG needs rsvg-convert, which is not installed",
                hint: "Install it (Debian and Ubuntu: apt install librsvg2-bin), or take the HTML page without --png.")
        }
        program = "\(folder)/rsvg-convert"
        self.environment = environment
    }

    /// Writes a picture, two pixels for each of the drawing's, replacing the file if there is one.
    ///
    /// - Throws: `Problem(.cannotCreate)` with the program's own words, or what the file's system says.
    public func write(svg: String, toPNG path: String) throws(Problem) {
        let picture: [UInt8]
        do throws(Failure) { picture = try self.picture(of: svg) } catch {
            throw Problem(.cannotCreate, "cannot make \"\(path)\": \(error.reason)")
        }
        try Files.replace(path, with: picture)
    }

    private struct Failure: Error { var reason: String }

    private func picture(of svg: String) throws(Failure) -> [UInt8] {
        // Not pipes: whoever reads one pipe while another one is full waits for ever.
        let input = try UnnamedFile()
        let output = try UnnamedFile()
        let errors = try UnnamedFile()
        try input.write(Array(svg.utf8))
        let code: Int32
        do throws(ChildStart.Refusal) {
            code = try ChildStart.runToEnd(
                program, [program, "--format", "png", "--zoom", "2"], environment: environment,
                input: input.descriptor, output: output.descriptor, errors: errors.descriptor)
        } catch {
            throw Failure(reason: "\(program): \(Problem.text(error.number))")
        }
        guard code == 0 else {
            let words = String(decoding: errors.content(), as: UTF8.self)
            throw Failure(
                reason: words.split(separator: "\n").first.map(String.init)
                    ?? "rsvg-convert ended with exit code \(code)")
        }
        return output.content()
    }

    /// A temporary file that no folder has, and that is gone when it is closed.
    private struct UnnamedFile: ~Copyable {
        private let file: UnsafeMutablePointer<FILE>
        let descriptor: Int32

        init() throws(Failure) {
            guard let file = tmpfile() else {
                throw Failure(reason: "no temporary file can be made: \(Problem.text(errno))")
            }
            (self.file, descriptor) = (file, fileno(file))
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }

        deinit { fclose(file) }

        /// Writes from the beginning on, where whoever takes the descriptor reads from.
        func write(_ bytes: [UInt8]) throws(Failure) {
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes { bytes in
                    pwrite(descriptor, bytes.baseAddress! + written, bytes.count - written, off_t(written))
                }
                guard count > 0 else { throw Failure(reason: Problem.text(errno)) }
                written += count
            }
        }

        func content() -> [UInt8] {
            let size = max(0, Int(lseek(descriptor, 0, SEEK_END)))
            return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                while count < size {
                    let read = pread(descriptor, buffer.baseAddress! + count, size - count, off_t(count))
                    guard read > 0 else { return }
                    count += read
                }
            }
        }
    }
}
