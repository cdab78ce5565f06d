internal import Problems

/// Writes an archive of tar in the form of POSIX.1-1988 (`ustar`), which everything that knows tar reads.
///
/// A file is a header of 512 bytes and its bytes, filled up to whole blocks of 512 with zeros; two blocks of zeros are the end. Of the header:
///
///     0 name (100)   100 mode   108 uid   116 gid (8 each)   124 size   136 time (12 each)   148 sum (8)
///     156 kind (1): 0 file, 5 folder   257 "ustar\0" "00"   265 owner   297 group (32 each)
///
/// Numbers are octal digits with a zero byte behind them. Owner, group and time are always the same, so equal files make equal archives.
struct TarWriter {
    private let write: (UnsafeRawBufferPointer) throws(Problem) -> Void
    /// 1 January 1980: there are tools that take earlier times for a mistake.
    private static let time = 315_532_800
    private static let blockBytes = 512

    init(_ write: @escaping (UnsafeRawBufferPointer) throws(Problem) -> Void) { self.write = write }

    /// - Parameter name: at most 100 bytes, with `/` between its parts.
    func add(file name: String, mode: Int, _ bytes: [UInt8]) throws(Problem) {
        try put(Self.header(name, mode: mode, sizeBytes: bytes.count, kind: "0"))
        try put(bytes)
        let rest = bytes.count % Self.blockBytes
        if rest > 0 { try put([UInt8](repeating: 0, count: Self.blockBytes - rest)) }
    }

    func add(folder name: String) throws(Problem) {
        try put(Self.header(name + "/", mode: 0o755, sizeBytes: 0, kind: "5"))
    }

    func finish() throws(Problem) { try put([UInt8](repeating: 0, count: 2 * Self.blockBytes)) }

    private func put(_ bytes: [UInt8]) throws(Problem) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Problem) in try write(UnsafeRawBufferPointer(bytes)) }
    }

    private static func header(_ name: String, mode: Int, sizeBytes: Int, kind: Character) -> [UInt8] {
        precondition(name.utf8.count <= 100 && sizeBytes < 1 << 33, "it does not fit into a header")
        var header = [UInt8](repeating: 0, count: blockBytes)
        func set(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func set(_ number: Int, digits: Int, at offset: Int) {
            let text = String(number, radix: 8)
            set(String(repeating: "0", count: digits - text.utf8.count) + text, at: offset)
        }
        set(name, at: 0)
        set(mode, digits: 7, at: 100)
        set(0, digits: 7, at: 108)
        set(0, digits: 7, at: 116)
        set(sizeBytes, digits: 11, at: 124)
        set(time, digits: 11, at: 136)
        // The sum is that of a header whose own place for it has blanks.
        set("        ", at: 148)
        set(String(kind), at: 156)
        set("ustar\u{0}00", at: 257)
        set("root", at: 265)
        set("root", at: 297)
        let sum = header.reduce(0) { $0 + Int($1) }
        set(sum, digits: 6, at: 148)
        header[154] = 0
        return header
    }
}
