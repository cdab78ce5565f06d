/// How the bytes of a file are packed.
public enum CompressionFormat: String, Sendable, CaseIterable {
    case plain, gzip, zstd

    /// How many bytes `init(firstBytes:)` wants to see.
    static let magicLength = 4

    /// What a file that begins with `bytes` is: gzip (RFC 1952), zstd (RFC 8878, its skippable frames included) or plain.
    public init(firstBytes bytes: some Collection<UInt8>) {
        let first = Array(bytes.prefix(Self.magicLength))
        if first.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if first == [0x28, 0xb5, 0x2f, 0xfd] {
            self = .zstd
        } else if first.count == 4, first[0] & 0xf0 == 0x50, first[1...] == [0x2a, 0x4d, 0x18] {
            self = .zstd
        } else {
            self = .plain
        }
    }

    /// What a file of this name should be written as: `.gz` gzip, `.zst` zstd, anything else plain.
    public init(path: String) {
        self = path.hasSuffix(".gz") ? .gzip : path.hasSuffix(".zst") ? .zstd : .plain
    }
}
