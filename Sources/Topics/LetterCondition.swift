import Trips

/// What is asked of a dead letter: comparisons of its place, reason and time, joined by and, or and not.
///
/// It has the three values of SQL: what a letter does not have, such as the line of one that came from a topic, compares with nothing, and `not`
/// of that is unknown too; a letter is meant where the whole is true.
public indirect enum LetterCondition: Sendable, Equatable {
    /// What a letter has, or may have; each by its name.
    public enum Field: String, Sendable, CaseIterable {
        /// The reason that it has, and the first one of a quarantined one.
        case reason, was
        /// Where the record was: a topic's place, or a line of a file.
        case topic, partition, offset, file, line
        /// Where the letter lies in the topic of dead letters.
        case letter
        case time, detail

        public var kind: Kind {
            switch self {
            case .reason, .was, .topic, .file, .detail: .text
            case .partition, .offset, .line: .number
            case .letter: .place
            case .time: .time
            }
        }
    }

    public enum Kind: Sendable { case text, number, time, place }

    /// All of them hold.
    case and([LetterCondition])
    /// One of them holds.
    case or([LetterCondition])
    case not(LetterCondition)
    case isNull(Field)
    /// A text is this one: topics by their whole name, files by their whole path or the last part of it.
    case text(Field, String)
    /// A text has this piece.
    case contains(Field, String)
    /// A number, or a time in ms UTC, lies in a range.
    case number(Field, ClosedRange<Int64>)
    /// The letter lies in a range of places.
    case letter(ClosedRange<LetterPlace>)

    /// Whether a letter is meant.
    public func holds(for letter: StoredLetter) -> Bool { value(for: letter, letter.origin) == true }

    private func value(for letter: StoredLetter, _ origin: LetterOrigin?) -> Bool? {
        switch self {
        case .and(let parts):
            let values = parts.map { $0.value(for: letter, origin) }
            return values.contains(false) ? false : values.contains(nil) ? nil : true
        case .or(let parts):
            let values = parts.map { $0.value(for: letter, origin) }
            return values.contains(true) ? true : values.contains(nil) ? nil : false
        case .not(let part): return part.value(for: letter, origin).map { !$0 }
        case .isNull(let field):
            switch field.kind {
            case .text: return Self.text(field, letter, origin) == nil
            case .number, .time: return Self.number(field, letter, origin) == nil
            case .place: return false
            }
        case .text(.file, let name): return origin?.file.map { Self.isFile($0, name) }
        case .text(let field, let text): return Self.text(field, letter, origin).map { $0 == text }
        case .contains(let field, let piece): return Self.text(field, letter, origin).map { $0.contains(piece) }
        case .number(let field, let range): return Self.number(field, letter, origin).map(range.contains)
        case .letter(let range): return range.contains(letter.place)
        }
    }

    private static func text(_ field: Field, _ letter: StoredLetter, _ origin: LetterOrigin?) -> String? {
        switch field {
        case .reason: letter.reason
        case .was: letter.firstReason
        case .topic: origin?.topic
        case .file: origin?.file
        case .detail: letter.detail
        case .partition, .offset, .line, .letter, .time: nil
        }
    }

    private static func number(_ field: Field, _ letter: StoredLetter, _ origin: LetterOrigin?) -> Int64? {
        switch field {
        case .partition: origin?.partition.map(Int64.init)
        case .offset: origin?.offset
        case .line: origin?.line
        case .time: letter.record.timestamp
        case .reason, .was, .topic, .file, .detail, .letter: nil
        }
    }

    /// By its whole path, or by the last part of it.
    private static func isFile(_ path: String, _ name: String) -> Bool {
        path == name || path.split(separator: "/").last.map { $0 == name } ?? false
    }
}
