internal import Glibc
internal import Problems

/// The program that runs, and every library that it has loaded: what the system's own loader found, with whatever these need in turn.
struct LoadedLibraries {
    /// The file of the program itself.
    var program: String
    /// Files by the names that libraries are asked for by, such as `libz.so.1`; the loader among them.
    var files: [String: String]
    /// The name of the loader, which starts programs and finds their libraries: `ld-linux-x86-64.so.2`.
    var loader: String

    /// - Parameter opening: names of libraries that the program loads only when it first uses them; those that are missing are passed over.
    /// - Throws: `.unavailable` where the system does not say what is loaded.
    init(opening names: [String]) throws(Problem) {
        for name in names { _ = dlopen(name, RTLD_NOW | RTLD_LOCAL) }
        // The list that debuggers read, from the program on; Swift's Glibc has no other.
        guard let list = dlsym(nil, "_r_debug")?.assumingMemoryBound(to: r_debug.self).pointee.r_map else {
            throw Problem(.unavailable, "the system does not say which libraries are loaded")
        }
        files = [:]
        var next = list.pointee.l_next
        while let object = next?.pointee {
            next = object.l_next
            // The kernel's own part of every process has a name, and no file.
            let path = object.l_name.map { String(fileName: $0) } ?? ""
            guard path.utf8.first == UInt8(ascii: "/") else { continue }
            let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) }
            if let name { files[name] = path }
        }
        guard let loader = files.keys.first(where: { $0.hasPrefix("ld-linux") }) else {
            throw Problem(
                .unavailable, "this taxi-cli is not run by a loader of glibc, so its libraries cannot be shipped",
                hint: "Use one that was built on Debian or Ubuntu.")
        }
        self.loader = loader
        // It has no name in that list, and where it was started through its loader /proc/self/exe is that.
        guard let program = try Self.file(mappedAt: UInt(bitPattern: list.pointee.l_ld)) else {
            throw Problem(.unavailable, "the system does not say which file this program is")
        }
        self.program = program
    }

    /// The file that has been mapped at an address, by /proc.
    private static func file(mappedAt address: UInt) throws(Problem) -> String? {
        let text = String(decoding: try Files.contents(of: "/proc/self/maps", limitBytes: 64 << 20), as: UTF8.self)
        for line in text.split(separator: "\n") {
            // 5581f0000000-5581f0a00000 r--p 00000000 08:01 1234   /usr/bin/taxi-cli
            let words = line.split(separator: " ", maxSplits: 5)
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, ends[0] <= address, address < ends[1], words.count == 6 else { continue }
            return String(words[5].drop { $0 == " " })
        }
        return nil
    }
}
