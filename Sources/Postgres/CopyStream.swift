public import Problems

/// Rows on their way into a table, in the binary form of COPY. Integers are big-endian.
///
///     signature   "PGCOPY\n", 255, "\r\n", 0, flags (4: 0), length of an extension (4: 0)
///     a row       number of fields (2), then of each its length (4; -1 for NULL) and its bytes
///     the end     -1 (2)
///
/// Source: PostgreSQL 15, COPY, "Binary Format"; src/backend/utils/adt/{timestamp,date,numeric}.c, the functions …_recv.
public final class CopyStream {
    /// What goes to libpq at once.
    private static let pieceBytes = 128 << 10

    private let connection: PostgresConnection
    private let doing: String
    private var bytes: [UInt8] = []
    public private(set) var rows = 0

    init(_ connection: PostgresConnection, _ doing: String) {
        (self.connection, self.doing) = (connection, doing)
        bytes.reserveCapacity(2 * Self.pieceBytes)
        bytes += Array("PGCOPY\n".utf8) + [255, 13, 10, 0] + [UInt8](repeating: 0, count: 8)
    }

    /// Begins a row; as many fields follow.
    public func beginRow(fields: Int) throws(Problem) {
        if bytes.count >= Self.pieceBytes { try send() }
        rows += 1
        append(Int16(truncatingIfNeeded: fields))
    }

    public func null() { append(Int32(-1)) }

    public func int64(_ value: Int64) {
        append(Int32(8))
        append(value)
    }

    public func int16(_ value: Int16) {
        append(Int32(2))
        append(value)
    }

    public func double(_ value: Double) {
        append(Int32(8))
        append(Int64(bitPattern: value.bitPattern))
    }

    /// An instant; nil is answered where PostgreSQL has none so far away.
    ///
    /// - Parameter ms: since 1970, UTC.
    public func timestamp(ms: Int64) -> Bool {
        // From 4713 BC to 294276 AD.
        guard (-210_866_803_200_000...9_224_318_015_999_999).contains(ms) else { return false }
        append(Int32(8))
        append((ms - Self.epochMs) * 1000)
        return true
    }

    /// - Parameter number: days since 1970.
    public func day(_ number: Int64) -> Bool {
        guard (-2_440_588...2_145_042_541).contains(number) else { return false }
        append(Int32(4))
        append(Int32(number - 10_957))
        return true
    }

    /// 2000-01-01, from which PostgreSQL counts.
    private static let epochMs: Int64 = 946_684_800_000

    /// A decimal: `value` / 10^`scale`.
    public func numeric(_ value: Int64, scale: Int) {
        // Digits are of four decimal places each, aligned at the point; those behind it number ⌈scale / 4⌉.
        let fraction = (scale + 3) / 4
        var rest = UInt64(value.magnitude)
        // Brought to whole digits behind the point: the last of them may be up to 9,990 and is kept apart, so that nothing overflows.
        let shift = fraction * 4 - scale
        var digits: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
        var count = 0
        withUnsafeMutableBytes(of: &digits) { raw in
            let digits = raw.assumingMemoryBound(to: UInt64.self)
            if shift > 0 {
                let (unit, factor) = shift == 1 ? (1000 as UInt64, 10 as UInt64) : shift == 2 ? (100, 100) : (10, 1000)
                digits[0] = rest % unit * factor
                rest /= unit
                count = 1
            }
            while rest > 0 || count < fraction {
                digits[count] = rest % 10_000
                rest /= 10_000
                count += 1
            }
            var first = count
            while first > 0, digits[first - 1] == 0 { first -= 1 }
            var last = 0
            while last < first, digits[last] == 0 { last += 1 }
            append(Int32(8 + 2 * (first - last)))
            append(Int16(first - last))
            append(Int16(first == 0 ? 0 : first - 1 - fraction))
            append(value < 0 ? 0x4000 as Int16 : 0)
            append(Int16(scale))
            for place in (last..<first).reversed() { append(Int16(digits[place])) }
        }
    }

    /// A text as it stands in UTF-8. What PostgreSQL takes in no text, a NUL or a byte that is no UTF-8, becomes U+FFFD.
    ///
    /// - Returns: whether something was replaced.
    public func text(_ raw: UnsafeRawBufferPointer) -> Bool {
        // The least of what makes a look necessary: most texts are plain ASCII.
        let isPlain = raw.allSatisfy { $0 &- 1 < 0x7F }
        if !isPlain, raw.contains(0) || String(validating: raw, as: UTF8.self) == nil {
            let text = Array(String(decoding: raw, as: UTF8.self).replacing("\0", with: "\u{FFFD}").utf8)
            append(Int32(text.count))
            bytes += text
            return true
        }
        append(Int32(raw.count))
        bytes.append(contentsOf: raw)
        return false
    }

    private func append<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private func send() throws(Problem) {
        let failure: Problem? = bytes.withUnsafeBytes { raw in
            do throws(Problem) { try connection.put(raw, doing) } catch { return error }
            return nil
        }
        if let failure { throw failure }
        bytes.removeAll(keepingCapacity: true)
    }

    func end() throws(Problem) {
        append(Int16(-1))
        try send()
        try connection.endCopy(doing)
    }
}
