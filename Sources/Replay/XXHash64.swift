/// XXH64 of some bytes: fast, well mixed, the same on every machine; not for secrets.
///
/// Source: Yann Collet, xxHash specification 0.2.0, github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
func xxHash64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    let (p1, p2, p3): (UInt64, UInt64, UInt64) = (0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9)
    let (p4, p5): (UInt64, UInt64) = (0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5)
    func rotated(_ x: UInt64, _ count: UInt64) -> UInt64 { x << count | x >> (64 - count) }
    func round(_ accumulator: UInt64, _ lane: UInt64) -> UInt64 { rotated(accumulator &+ lane &* p2, 31) &* p1 }
    func word(_ at: Int) -> UInt64 { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }

    var at = 0
    var hash = seed &+ p5
    if bytes.count >= 32 {
        var lanes = (seed &+ p1 &+ p2, seed &+ p2, seed, seed &- p1)
        while at + 32 <= bytes.count {
            lanes.0 = round(lanes.0, word(at))
            lanes.1 = round(lanes.1, word(at + 8))
            lanes.2 = round(lanes.2, word(at + 16))
            lanes.3 = round(lanes.3, word(at + 24))
            at += 32
        }
        hash = rotated(lanes.0, 1) &+ rotated(lanes.1, 7) &+ rotated(lanes.2, 12) &+ rotated(lanes.3, 18)
        for lane in [lanes.0, lanes.1, lanes.2, lanes.3] { hash = (hash ^ round(0, lane)) &* p1 &+ p4 }
    }
    hash &+= UInt64(bytes.count)
    while at + 8 <= bytes.count {
        hash = rotated(hash ^ round(0, word(at)), 27) &* p1 &+ p4
        at += 8
    }
    if at + 4 <= bytes.count {
        let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
        hash = rotated(hash ^ UInt64(half) &* p1, 23) &* p2 &+ p3
        at += 4
    }
    while at < bytes.count {
        hash = rotated(hash ^ UInt64(bytes[at]) &* p5, 11) &* p1
        at += 1
    }
    hash = (hash ^ hash >> 33) &* p2
    hash = (hash ^ hash >> 29) &* p3
    return hash ^ hash >> 32
}
