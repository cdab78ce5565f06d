public import Glibc

/// Names of files and folders are bytes; a `String` is Unicode. A name that is no UTF-8 is kept in a `String` all the same, so that it
/// opens again: each byte that belongs to no UTF-8 becomes the scalar U+10FF00 plus that byte (U+10FF80 to U+10FFFF, private use).
///
/// A name that holds such scalars of its own has their bytes kept so too; whatever the system gives comes back to the byte. What is said
/// about a name shows these bytes as `\xHH` (`visible`).
///
/// The functions below take the place of the system's of the same names wherever a path is a `String`, and like those need nobody who
/// looks at their result.
extension String {
    /// The name whose bytes these are, up to the first zero.
    public init(fileName bytes: UnsafePointer<CChar>) {
        let bytes = UnsafeBufferPointer(
            start: UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self), count: strlen(bytes))
        if !bytes.contains(FileNameByte.lead), let text = String(validating: bytes, as: UTF8.self) {
            self = text
            return
        }
        self = ""
        var index = 0
        while index < bytes.count {
            let length = utf8Length(of: bytes[index...])
            if length > 0, let part = String(validating: bytes[index..<index + length], as: UTF8.self),
                let scalar = part.unicodeScalars.first, FileNameByte(scalar) == nil
            {
                unicodeScalars.append(scalar)
                index += length
            } else {
                unicodeScalars.append(FileNameByte.scalar(of: bytes[index]))
                index += 1
            }
        }
    }

    /// Calls `body` with the name's bytes and a zero behind them.
    public func withFileName<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        guard utf8.contains(FileNameByte.lead) else { return try withCString(body) }
        var bytes: [CChar] = []
        for scalar in unicodeScalars {
            if let byte = FileNameByte(scalar) {
                bytes.append(CChar(bitPattern: byte.value))
            } else {
                bytes += String(scalar).utf8.map { CChar(bitPattern: $0) }
            }
        }
        bytes.append(0)
        return try bytes.withUnsafeBufferPointer { try body($0.baseAddress!) }
    }
}

/// A byte of a file's name that is no UTF-8, as it stands in a `String`.
struct FileNameByte {
    let value: UInt8

    init?(_ scalar: Unicode.Scalar) {
        guard (0x10_FF80...0x10_FFFF).contains(scalar.value) else { return nil }
        value = UInt8(truncatingIfNeeded: scalar.value)
    }

    static func scalar(of byte: UInt8) -> Unicode.Scalar { Unicode.Scalar(0x10_FF00 + UInt32(byte))! }

    /// With which the UTF-8 of all of them begins, and that of nothing which is often seen.
    static let lead: UInt8 = 0xF4
}

public func open(_ path: String, _ flags: Int32) -> Int32 { path.withFileName { Glibc.open($0, flags) } }
public func open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    path.withFileName { Glibc.open($0, flags, mode) }
}
public func fopen(_ path: String, _ mode: String) -> UnsafeMutablePointer<FILE>? {
    path.withFileName { Glibc.fopen($0, mode) }
}
@discardableResult
public func stat(_ path: String, _ status: UnsafeMutablePointer<Glibc.stat>) -> Int32 {
    path.withFileName { stat($0, status) }
}
@discardableResult
public func lstat(_ path: String, _ status: UnsafeMutablePointer<Glibc.stat>) -> Int32 {
    path.withFileName { lstat($0, status) }
}
public func statvfs(_ path: String, _ status: UnsafeMutablePointer<Glibc.statvfs>) -> Int32 {
    path.withFileName { statvfs($0, status) }
}
public func access(_ path: String, _ mode: Int32) -> Int32 { path.withFileName { Glibc.access($0, mode) } }
@discardableResult
public func chmod(_ path: String, _ mode: mode_t) -> Int32 { path.withFileName { Glibc.chmod($0, mode) } }
@discardableResult
public func mkdir(_ path: String, _ mode: mode_t) -> Int32 { path.withFileName { Glibc.mkdir($0, mode) } }
public func opendir(_ path: String) -> OpaquePointer? { path.withFileName { Glibc.opendir($0) } }
@discardableResult
public func unlink(_ path: String) -> Int32 { path.withFileName { Glibc.unlink($0) } }
@discardableResult
public func rename(_ old: String, _ new: String) -> Int32 {
    old.withFileName { old in new.withFileName { Glibc.rename(old, $0) } }
}
