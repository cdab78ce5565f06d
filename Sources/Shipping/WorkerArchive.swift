internal import Compression
internal import Glibc
public import Problems

/// What is shipped to machines that have no taxi-cli: this very program and every library that it needs, down to the C library and its loader,
/// so that nothing but the kernel and a shell of the other machine takes part.
///
///     bin/taxi-cli            a script of sh, which runs what lies in ../lib, wherever that is
///     lib/taxi-cli            the program
///     lib/ld-linux-….so.2     the loader that it is run with
///     lib/lib….so.N           libraries, under the names that they are asked for by
///
/// Equal programs and libraries give equal archives, to the byte. It is `taxi-cli spark archive` that says so to people: docs/GUIDE.md.
public struct WorkerArchive {
    private let libraries: LoadedLibraries
    /// The processor that it is for, as `uname -m` says it.
    public let architecture: String
    /// Of the C library that comes with it.
    public let libcVersion: String

    /// Loaded when they are first used, and wanted by workers: schemas come from a registry over HTTP. libpq and libmicrohttpd are not: no worker
    /// publishes or serves.
    private static let lazyLibraries = ["libcurl.so.4"]

    /// - Throws: `.unavailable` where the system does not say what this program consists of.
    public init() throws(Problem) {
        libraries = try LoadedLibraries(opening: Self.lazyLibraries)
        var names = utsname()
        uname(&names)
        architecture = withUnsafeBytes(of: &names.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        typealias Version = @convention(c) () -> UnsafePointer<CChar>?
        // Not among the headers that Swift's Glibc has.
        let version = dlsym(nil, "gnu_get_libc_version").flatMap { unsafeBitCast($0, to: Version.self)() }
        libcVersion = version.map { String(cString: $0) } ?? "unknown"
    }

    /// Libraries without which some of what a worker may be asked for cannot be done.
    public var missing: [String] { Self.lazyLibraries.filter { libraries.files[$0] == nil } }

    /// How many files it has.
    public var count: Int { libraries.files.count + 2 }

    /// Writes it whole; what had the name is replaced only then.
    ///
    /// - Parameter path: ends in `.gz`.
    /// - Returns: its size in bytes.
    /// - Throws: `.cannotCreate`, `.inputOutput` and their like.
    public func write(to path: String) throws(Problem) -> Int64 {
        let file = try CompressingWriter(path: path)
        let tar = TarWriter { (bytes) throws(Problem) in try file.write(bytes) }
        try tar.add(folder: "bin")
        try tar.add(file: "bin/taxi-cli", mode: 0o755, Array(script.utf8))
        try tar.add(folder: "lib")
        let entries = libraries.files.map { ($0.key, $0.value) } + [("taxi-cli", libraries.program)]
        for (name, source) in entries.sorted(by: { $0.0 < $1.0 }) {
            let isRun = name == "taxi-cli" || name == libraries.loader
            try tar.add(file: "lib/\(name)", mode: isRun ? 0o755 : 0o644, Files.contents(of: source))
        }
        try tar.finish()
        try file.finish()
        var status = stat()
        guard path.withFileName({ stat($0, &status) }) == 0 else { throw Problem(.read, path, errno) }
        return Int64(status.st_size)
    }

    /// Built-in commands of any sh alone: it works without PATH. What the other machine wants preloaded was built for another C library.
    private var script: String {
        """
        #!/bin/sh
        # Runs taxi-cli with the libraries that came with it.
        case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
        if [ -L "$0" ]; then here=$(dirname "$(readlink -f "$0")"); fi
        here=$(cd "$here/.." && pwd -P) || exit 69
        unset LD_LIBRARY_PATH LD_PRELOAD
        exec "$here/lib/\(libraries.loader)" --inhibit-cache --library-path "$here/lib" --argv0 taxi-cli "$here/lib/taxi-cli" "$@"

        """
    }
}
