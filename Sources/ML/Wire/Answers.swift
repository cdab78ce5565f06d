import Basics

/// The answers to the rows of a batch: for each row the members of an object, without its brackets (`"forecast":12.5,"label":"x"`).
struct Answers: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Where each row's members end.
    private(set) var ends: [Int] = []

    var count: Int { ends.count }

    subscript(row: Int) -> ArraySlice<UInt8> { bytes[(row == 0 ? 0 : ends[row - 1])..<ends[row]] }

    mutating func append(_ part: some Sequence<UInt8>) { bytes.append(contentsOf: part) }
    mutating func append(_ byte: UInt8) { bytes.append(byte) }
    mutating func endRow() { ends.append(bytes.count) }
    /// Whether the row that is being written has a member already.
    var rowHasMembers: Bool { bytes.count > (ends.last ?? 0) }
}

/// A field that is taken from answers, and how its values are checked.
struct AnswerField: Sendable {
    /// `"forecast":`
    let prefix: [UInt8]
    /// The member of a result that holds it.
    let member: [UInt8]
    let kind: ModelSpec.Field.Kind
    let isOptional: Bool
    /// What whole numbers it holds.
    let range: ClosedRange<Int64>?

    init(
        _ name: String, member: String? = nil, kind: ModelSpec.Field.Kind, isOptional: Bool = false,
        range: ClosedRange<Int64>? = nil
    ) {
        prefix = Array((jsonString(name) + ":").utf8)
        self.member = Array((member ?? name).utf8)
        (self.kind, self.isOptional, self.range) = (kind, isOptional, range)
    }

    /// - Parameter value: of JSON; numbers are finite.
    func check(_ value: Range<Int>, _ scanner: AnswerScanner, row: Int) throws(AnswerFault) {
        let first = scanner.bytes[value.lowerBound]
        let isNumber = first == UInt8(ascii: "-") || (48...57).contains(first)
        let fits: Bool =
            switch kind {
            case .any: true
            case .real: isNumber
            case .text: first == UInt8(ascii: "\"")
            case .boolean: first == UInt8(ascii: "t") || first == UInt8(ascii: "f")
            case .integer: isNumber && holdsInteger(scanner.bytes[value])
            }
        if fits || first == UInt8(ascii: "n") && isOptional { return }
        throw AnswerFault(
            "\"\(String(decoding: member, as: UTF8.self))\" of row \(row + 1) is \(scanner.text(value)) and no \(kind.rawValue)"
        )
    }

    private func holdsInteger(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard let number = Int64(String(decoding: digits, as: UTF8.self)) else { return false }
        return range?.contains(number) ?? true
    }
}
