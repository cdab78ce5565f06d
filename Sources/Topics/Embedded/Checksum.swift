internal import CXXHash

/// The checksum of a stored payload: XXH3 with 64 bits, as SQLite's signed integer.
func checksum(of bytes: [UInt8]) -> Int64 { bytes.withUnsafeBytes { checksum(of: $0) } }

func checksum(of bytes: UnsafeRawBufferPointer) -> Int64 {
    Int64(bitPattern: UInt64(taxi_hash64(bytes.baseAddress, bytes.count)))
}
