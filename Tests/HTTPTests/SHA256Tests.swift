import Foundation
@testable import HTTP
import Testing

@Suite struct SHA256Tests {
    /// Of FIPS 180-4's examples, and a million letters.
    @Test(arguments: [
        ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
    func hashes(_ text: String, _ times: Int, _ expected: String) throws {
        let bytes = Array(repeatElement(Array(text.utf8), count: times).joined())
        #expect(SHA256.hex(of: bytes) == expected)
        let path = NSTemporaryDirectory() + "sha256-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        let ofFile = try SHA256.hex(of: file.fileDescriptor, path: path) { false }
        #expect(ofFile == expected)
    }

    /// Wherever the pieces are cut, with every length about the ends of a block.
    @Test func piecesDoNotMatter() {
        for length in 0..<200 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 7) }
            for cut in stride(from: 0, through: length, by: 13) {
                var hash = SHA256()
                bytes.withUnsafeBytes {
                    hash.add(UnsafeRawBufferPointer(rebasing: $0[..<cut]))
                    hash.add(UnsafeRawBufferPointer(rebasing: $0[cut...]))
                }
                let hex = hash.hex()
                #expect(hex == SHA256.hex(of: bytes))
            }
        }
    }
}
