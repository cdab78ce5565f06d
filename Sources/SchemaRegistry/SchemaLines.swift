internal import Avro
public import Problems

/// Schemas as people read them, and what differs between two of them.
public enum SchemaLines {
    /// The lines of a schema in its one spelling, indented: two that mean the same have the same lines.
    ///
    /// - Throws: `.badData` for a text that is no schema.
    public static func lines(of text: String, file: String = "schema") throws(Problem) -> [String] {
        let spelling = try AvroSchema.spelling(of: text, isNormalized: false, file: file)
        var lines: [String] = []
        var line = ""
        append(try JSONValue(Array(spelling.utf8), file: file), indent: "", to: &line, &lines)
        lines.append(line)
        return lines
    }

    /// What stands in the one, in the other, or in both.
    public enum Line: Sendable, Equatable {
        case same(String), removed(String), added(String)
    }

    /// The lines of both, each once, in their order; a comma behind one, since another follows, makes none of them another.
    public static func difference(from old: [String], to new: [String]) -> [Line] {
        func bare(_ line: String) -> Substring { line.hasSuffix(",") ? line.dropLast() : line[...] }
        let (left, right) = (old.map(bare), new.map(bare))
        let start = zip(left, right).prefix { $0 == $1 }.count
        let shorter = min(left.count, right.count) - start
        let end = zip(left.reversed(), right.reversed()).prefix(shorter).prefix { $0 == $1 }.count
        var (removed, added) = (Set(start..<left.count - end), Set(start..<right.count - end))
        // It takes time and memory by the square of what differs: where that is much, none of it is called the same.
        if removed.count + added.count <= maximumCompared {
            // Without their places in the whole: a slice's difference counts from 0.
            let changes = Array(right[start..<right.count - end]).difference(
                from: Array(left[start..<left.count - end]))
            removed = Set(
                changes.removals.compactMap { if case .remove(let place, _, _) = $0 { place + start } else { nil } })
            added = Set(
                changes.insertions.compactMap { if case .insert(let place, _, _) = $0 { place + start } else { nil } })
        }
        return merged(old, new, removed, added)
    }

    private static let maximumCompared = 3000

    private static func merged(_ old: [String], _ new: [String], _ removed: Set<Int>, _ added: Set<Int>) -> [Line] {
        var lines: [Line] = []
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, removed.contains(left) {
                lines.append(.removed(old[left]))
                left += 1
            } else if right < new.count, added.contains(right) {
                lines.append(.added(new[right]))
                right += 1
            } else {
                // A line of both; a difference covers all others.
                lines.append(.same(new[right]))
                (left, right) = (left + 1, right + 1)
            }
        }
        return lines
    }

    /// Objects and arrays of objects have a line a part, all else stands on one.
    private static func append(_ value: JSONValue, indent: String, to line: inout String, _ lines: inout [String]) {
        func parts<Element>(
            _ open: String, _ close: String, _ elements: [Element], _ body: (Element, inout String) -> Void
        ) {
            line += open
            for (place, element) in elements.enumerated() {
                lines.append(line)
                line = indent + "  "
                body(element, &line)
                if place < elements.count - 1 { line += "," }
            }
            if !elements.isEmpty {
                lines.append(line)
                line = indent
            }
            line += close
        }
        switch value {
        case .object(let members) where !isShort(value):
            parts("{", "}", members) { member, line in
                JSONValue.string(member.name).write(to: &line)
                line += ": "
                append(member.value, indent: indent + "  ", to: &line, &lines)
            }
        case .array(let items) where !isShort(value):
            parts("[", "]", items) { item, line in append(item, indent: indent + "  ", to: &line, &lines) }
        default: value.write(to: &line)
        }
    }

    private static func isShort(_ value: JSONValue) -> Bool {
        switch value {
        case .array(let items):
            items.allSatisfy { item in
                switch item {
                case .object, .array: false
                default: true
                }
            }
        // A field with a plain type, a logical type.
        case .object(let members):
            members.count < 5
                && members.allSatisfy { member in
                    if case .object = member.value { return false }
                    return isShort(member.value)
                }
        default: true
        }
    }
}
