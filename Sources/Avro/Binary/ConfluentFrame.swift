/// What Confluent's serializers, and all that speak their wire format, put before a message's bytes:
///
///     magic   1 byte, 0
///     id      4 bytes, the highest first: the schema's number in the registry
///     body    the value in Avro's binary encoding
public struct ConfluentFrame {
    public static let headerLength = 5

    public var schemaID: UInt32
    public var body: UnsafeBufferPointer<UInt8>

    /// - Returns: nil for a message without this header.
    @inlinable
    public init?(_ message: UnsafeBufferPointer<UInt8>) {
        guard message.count >= Self.headerLength, message[0] == 0 else { return nil }
        schemaID =
            UnsafeRawPointer(message.baseAddress.unsafelyUnwrapped).loadUnaligned(fromByteOffset: 1, as: UInt32.self)
            .bigEndian
        body = UnsafeBufferPointer(rebasing: message[Self.headerLength...])
    }

    /// Writes a header, `headerLength` bytes; gives the place of the body.
    @inlinable
    public static func write(schemaID: UInt32, to out: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        out.pointee = 0
        UnsafeMutableRawPointer(out).storeBytes(of: schemaID.bigEndian, toByteOffset: 1, as: UInt32.self)
        return out + headerLength
    }
}
