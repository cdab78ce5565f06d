import CommandLine
import Foundation

/// Writes reports that are no tables as JSON: an array (`json`) or an object a line (`jsonl`), with snake_case keys.
func writeJSON(_ reports: [some Encodable], _ arguments: ParsedArguments) throws {
    if arguments.format == .json {
        try arguments.output.writeLine(try jsonReport(reports))
    } else {
        for report in reports { try arguments.output.writeLine(try jsonReport(report)) }
    }
}

/// A report that is no table as JSON, with snake_case keys in the order of the alphabet.
func jsonReport(_ report: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    // `convertToSnakeCase` makes `_i_ds` of an "IDs" at the end.
    encoder.keyEncodingStrategy = .custom { path in SnakeKey(path[path.count - 1].stringValue) }
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(report), as: UTF8.self)
}

/// A property's name as JSON has it: `repeatedTripIDs` is `repeated_trip_ids`.
private struct SnakeKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
    init(stringValue: String) { self.stringValue = stringValue }

    init(_ name: String) {
        var words = ""
        for letter in name {
            if letter.isUppercase, words.last.map({ !$0.isUppercase }) ?? false { words += "_" }
            words.append(letter)
        }
        stringValue = words.lowercased()
    }
}

/// A table inside a page for people: indented, and fitted to the terminal where there is one.
func indented(_ table: Table, _ arguments: ParsedArguments) -> String {
    let width = arguments.terminal.outputIsTerminal ? max(40, arguments.terminal.width - 2) : nil
    let text = table.text(width: width, style: arguments.terminal.outputStyle)
    return text.split(separator: "\n").map { "  \($0)\n" }.joined()
}
