/// The 24 keys of a trip's JSON record, as bytes that can be copied or compared 32 at a time.
///
/// Keys 0…22 are the fields of `TripField`, 23 is `event_timestamp`. Each takes 32 bytes, the unused ones zero: the longest
/// text, `,"dropoff_centroid_longitude":`, has 29.
enum JSONKeys {
    static let count = TripField.count + 1
    static let eventTimestamp = TripField.count
    static let stride = 32

    /// A key's name, for messages.
    static func name(_ key: Int) -> String {
        TripField(rawValue: UInt8(truncatingIfNeeded: key))?.name ?? "event_timestamp"
    }

    /// `,"name":` as an encoder writes it; `{"name":` for the first.
    static let prefixes = Table { index, name in (index == 0 ? "{" : ",") + "\"\(name)\":" }

    /// The same where money is in cents.
    static let centsPrefixes = Table { index, name in
        let name = TripField(rawValue: UInt8(index)).map { TripMoney.cents.name(of: $0) } ?? name
        return (index == 0 ? "{" : ",") + "\"\(name)\":"
    }

    /// `name":` as a reader meets it after the opening quote.
    static let endings = Table { _, name in name + "\":" }

    /// Text of every key, 32 bytes each.
    ///
    /// `@unchecked Sendable`: filled once, never written after that and never freed.
    struct Table: @unchecked Sendable {
        let bytes: UnsafePointer<UInt8>
        let lengths: UnsafePointer<Int>
        /// Ones where a key's text has a byte, zeros behind it.
        let masks: UnsafePointer<SIMD4<UInt64>>

        init(text: (_ index: Int, _ name: String) -> String) {
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: count * stride)
            bytes.initialize(repeating: 0, count: count * stride)
            let masks = UnsafeMutablePointer<SIMD4<UInt64>>.allocate(capacity: count)
            let lengths = UnsafeMutablePointer<Int>.allocate(capacity: count)
            for index in 0..<count {
                let utf8 = Array(text(index, name(index)).utf8)
                precondition(utf8.count <= stride)
                (bytes + index * stride).update(from: utf8, count: utf8.count)
                lengths[index] = utf8.count
                let ones =
                    [UInt8](repeating: 0xff, count: utf8.count) + [UInt8](repeating: 0, count: stride - utf8.count)
                masks[index] = ones.withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) }
            }
            (self.bytes, self.lengths, self.masks) = (
                UnsafePointer(bytes), UnsafePointer(lengths), UnsafePointer(masks)
            )
        }
    }

    /// The key of that name, or nil for a field that no trip has. Complexity: O(number of keys).
    static func find(_ name: UnsafeBufferPointer<UInt8>) -> Int? {
        for key in 0..<count where endings.lengths[key] == name.count + 2 {
            let candidate = UnsafeBufferPointer(start: endings.bytes + key * stride, count: name.count)
            if candidate.elementsEqual(name) { return key }
        }
        return nil
    }
}
