import CommandLine
import Problems

/// A record as a person reads it, with the bytes marked that could not be used.
struct MarkedRecord {
    private let before: String
    private let fault: String
    private let after: String

    /// - Parameter fault: nil where nobody knows.
    init(_ bytes: [UInt8], fault: Range<Int>?) {
        let place = fault ?? bytes.count..<bytes.count
        before = visible(bytes: bytes[..<place.lowerBound])
        self.fault = visible(bytes: bytes[place])
        after = visible(bytes: bytes[place.upperBound...])
    }

    /// Lines for a terminal: the record, and without colours a piece of it with `^` below what is marked.
    func text(width: Int, _ style: Style) -> String {
        if fault.isEmpty { return before + "\n" }
        if style.isEnabled { return "\(before)\(style.red(style.bold(fault)))\(after)\n" }
        let carets = String(repeating: "^", count: max(1, displayWidth(of: fault)))
        guard displayWidth(of: before + fault + after) > width else {
            return "\(before)\(fault)\(after)\n\(String(repeating: " ", count: displayWidth(of: before)))\(carets)\n"
        }
        // The record itself goes over several lines, below which a caret would stand for nothing.
        let room = max(8, width / 4)
        let left = truncated(before, toWidth: room, keepingEnd: true)
        let marked = truncated(fault, toWidth: max(8, width / 2))
        let line = left + marked + truncated(after, toWidth: room)
        return """
            \(before)\(fault)\(after)
            \(line)
            \(String(repeating: " ", count: displayWidth(of: left)))\(String(carets.prefix(displayWidth(of: marked))))

            """
    }
}
