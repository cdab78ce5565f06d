import Basics

/// Text as it may be shown: what would move a terminal's cursor, change its colours or turn the order of letters around is written as
/// an escape instead (`\u001b`, as in JSON, so that JSON stays the same JSON), and so are bytes that are no UTF-8 (`\xff`).
///
/// - Parameter lines: whether line breaks stay; else they are written as `\n`.
public func visible(_ text: String, lines: Bool = false) -> String {
    var output: [UInt8] = []
    var text = text
    text.withUTF8 { _ = VisibleText.append($0, to: &output, lines: lines) }
    return String(decoding: output, as: UTF8.self)
}

/// The same of bytes that may be no UTF-8: what is none shows as `\\xFF`.
public func visible(bytes: some Collection<UInt8>) -> String {
    var output: [UInt8] = []
    let bytes = Array(bytes)
    bytes.withUnsafeBufferPointer { bytes in
        let used = VisibleText.append(bytes, to: &output, lines: false)
        // The beginning of a character that does not come.
        for byte in bytes[used...] { output += "\\x\(hexadecimal(byte, digits: 2))".utf8 }
    }
    return String(decoding: output, as: UTF8.self)
}

public enum VisibleText {
    /// The first bytes in a row that are no UTF-8; nil where all are.
    public static func firstFault(in bytes: [UInt8]) -> Range<Int>? {
        bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            func length() -> Int { bytes[index] < 0x80 ? 1 : utf8Length(of: bytes[index...]) }
            while index < bytes.count, case let length = length(), length > 0 { index += length }
            let start = index
            while index < bytes.count, length() == 0 { index += 1 }
            return start < index ? start..<index : nil
        }
    }

    /// Stands for ESC in text that is coloured by us. A noncharacter, of which Unicode says that it never comes from outside.
    public static let escape = Unicode.Scalar(0xFDD0 as UInt32)!

    /// Appends bytes as they may be shown. Tabs stay, and so does a carriage return right before a line break.
    ///
    /// - Parameters:
    ///   - lines: whether line breaks stay.
    ///   - styles: whether colours that are begun with `escape` are obeyed.
    /// - Returns: how many bytes were used: fewer than there are where the last may belong to what is still to come.
    public static func append(
        _ bytes: UnsafeBufferPointer<UInt8>, to output: inout [UInt8], lines: Bool, styles: Bool = false
    ) -> Int {
        output.reserveCapacity(output.count + bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case 0x20...0x7E, UInt8(ascii: "\t"):
                output.append(byte)
                index += 1
            case UInt8(ascii: "\n"):
                if lines { output.append(byte) } else { output += "\\n".utf8 }
                index += 1
            case UInt8(ascii: "\r") where lines && index + 1 == bytes.count:
                return index
            case UInt8(ascii: "\r") where lines && bytes[index + 1] == UInt8(ascii: "\n"):
                output.append(byte)
                index += 1
            case ..<0x80:
                output += escaped(byte)
                index += 1
            default:
                let length = utf8Length(of: bytes[index...])
                if length == 0, isBeginning(bytes[index...]) { return index }
                guard length > 0 else {
                    output += "\\x\(hexadecimal(byte, digits: 2))".utf8
                    index += 1
                    continue
                }
                let character = bytes[index..<index + length]
                index += length
                let scalar = scalar(character)
                if styles, scalar == escape, let style = style(bytes[index...]) {
                    output.append(0x1B)
                    output += style
                    index += style.count
                } else if let name = FileNameByte(scalar) {
                    output += "\\x\(hexadecimal(name.value, digits: 2))".utf8
                } else if isHidden(scalar) {
                    output += escaped(scalar.value)
                } else {
                    output += character
                }
            }
        }
        return index
    }

    /// Whether a character beyond ASCII acts upon the text around it: C1 controls, line and paragraph separators, overrides of the
    /// direction in which letters run, and noncharacters.
    static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x80...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0xFDD0...0xFDEF: true
        default: false
        }
    }

    /// The rest of a colour or weight that `Style` may have begun: `[31m`.
    private static func style(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Slice<UnsafeBufferPointer<UInt8>>? {
        guard bytes.first == UInt8(ascii: "[") else { return nil }
        let digits = bytes.dropFirst().prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard (1...2).contains(digits.count), digits.endIndex < bytes.endIndex,
            bytes[digits.endIndex] == UInt8(ascii: "m")
        else { return nil }
        return bytes[bytes.startIndex...digits.endIndex]
    }

    private static func escaped(_ value: some UnsignedInteger) -> String.UTF8View {
        "\\u\(hexadecimal(value, digits: 4))".utf8
    }

    /// Of a whole character.
    private static func scalar(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Unicode.Scalar {
        var value = UInt32(bytes.first!) & (0xFF >> UInt32(bytes.count + 1))
        for byte in bytes.dropFirst() { value = value << 6 | UInt32(byte & 0x3F) }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }

    /// Whether bytes that are no whole character may be the beginning of one.
    private static func isBeginning(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard bytes.count < 4, let first = bytes.first, bytes.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }) else {
            return false
        }
        return switch first {
        case 0xC2...0xDF: bytes.count < 2
        case 0xE0...0xEF: bytes.count < 3
        case 0xF0...0xF4: true
        default: false
        }
    }
}

/// How many bytes the UTF-8 character is long with which `bytes` begin; 0 where they begin with none.
func utf8Length(of bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    guard let first = bytes.first else { return 0 }
    let length =
        switch first {
        case ..<0x80: 1
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 0
        }
    guard length > 0, length <= bytes.count else { return 0 }
    if length == 1 { return 1 }
    let second = bytes[bytes.startIndex + 1]
    // The shortest form only, no surrogates, nothing beyond U+10FFFF. Source: Unicode 15, table 3-7.
    let allowed: ClosedRange<UInt8> =
        switch first {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
    guard allowed.contains(second),
        bytes[(bytes.startIndex + 2)..<(bytes.startIndex + length)].allSatisfy({ $0 & 0xC0 == 0x80 })
    else { return 0 }
    return length
}
