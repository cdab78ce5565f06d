internal import CXXHash

/// A well-mixed hash of some text, for tables in memory (XXH3); not for storage.
package func textHash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 { taxi_hash64(bytes.baseAddress, bytes.count) }

package func textsAreEqual(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    taxi_equal(a, b, count)
}

/// A hash by which some bytes are known again on any machine (XXH3, 64 bits); not for secrets.
public func contentHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 { taxi_hash64(bytes.baseAddress, bytes.count) }
