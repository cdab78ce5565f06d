internal import Problems

/// Keeps subjects and messages to what SNS takes. What stands in the file is refused when it is read; what a run fills in is made fit,
/// and the log says so: a notice that arrives shortened is worth more than one that does not.
///
/// Source: Amazon SNS API Reference, Publish: a subject is ASCII text that begins with a letter, number or punctuation mark, has no line
/// breaks or control characters and fewer than 100 characters; a message has at most 262,144 bytes of UTF-8.
enum SNSText {
    static let subjectLimit = 99
    static let messageLimitBytes = 256 << 10

    /// What is wrong whatever is filled in, and what to do.
    static func mistakeInSubject(_ template: Template) -> (String, String)? {
        let fixed = fixedText(of: template)
        if let character = fixed.first(where: { !isAllowed($0) }) {
            let isControl = character.unicodeScalars.allSatisfy { $0.value < 32 || $0.value == 127 }
            return (
                isControl
                    ? "a subject of SNS has no line breaks or control characters"
                    : "a subject of SNS is ASCII text, which \"\(character)\" is not",
                "Put it into the message."
            )
        }
        if fixed.utf8.count > subjectLimit {
            return (
                "a subject of SNS has fewer than 100 characters, this one \(fixed.utf8.count)",
                "Put the rest into the message."
            )
        }
        if template.references.isEmpty, fixed.isEmpty { return ("the subject is empty", "Leave it out.") }
        if case .text(let first)? = template.pieces.first, first.hasPrefix(" ") {
            return ("a subject of SNS begins with a letter, a number or a punctuation mark", "Take the blank away.")
        }
        return nil
    }

    static func mistakeInMessage(_ template: Template) -> (String, String)? {
        let count = fixedText(of: template).utf8.count
        if template.references.isEmpty, count == 0 { return ("the message is empty", "SNS takes no empty message.") }
        if count > messageLimitBytes {
            return (
                "a message of SNS has at most 262,144 bytes, this one \(count)",
                "Put the rest where it can be linked to."
            )
        }
        return nil
    }

    /// - Throws: `.badData` where nothing is left.
    static func subject(_ text: String, _ log: StepLog) throws(Problem) -> String {
        // CR and LF are one character to Swift and to a reader, and one blank here.
        var fit = String(text.map { isAllowed($0) ? $0 : $0.isWhitespace || isControl($0) ? " " : "?" })
        fit = String(fit.drop { $0 == " " })
        guard !fit.isEmpty else { throw Problem(.badData, "the subject is empty", hint: "SNS takes no such subject.") }
        if fit != text { log.add(line: "characters of the subject that SNS does not take were replaced") }
        if fit.utf8.count > subjectLimit {
            log.add(line: "the subject was shortened from \(fit.utf8.count) to \(subjectLimit) characters")
            fit = fit.prefix(subjectLimit - 3) + "..."
        }
        return fit
    }

    /// - Throws: `.badData` for an empty one.
    static func message(_ text: String, _ log: StepLog) throws(Problem) -> String {
        let count = text.utf8.count
        guard count > 0 else { throw Problem(.badData, "the message is empty", hint: "SNS takes no empty message.") }
        guard count > messageLimitBytes else { return text }
        log.add(
            line: "the message was shortened from \(count) to \(messageLimitBytes) bytes, which is all that SNS takes")
        let note = "\n… shortened, of \(count) bytes"
        var bytes = Array(text.utf8.prefix(messageLimitBytes - note.utf8.count))
        // Not in the middle of a character.
        while String(validating: bytes, as: UTF8.self) == nil, !bytes.isEmpty { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self) + note
    }

    private static func fixedText(of template: Template) -> String {
        template.pieces.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    private static func isAllowed(_ character: Character) -> Bool {
        character.utf8.count == 1 && character.utf8.allSatisfy { $0 >= 32 && $0 < 127 }
    }

    private static func isControl(_ character: Character) -> Bool {
        character.unicodeScalars.allSatisfy { $0.value < 32 || $0.value == 127 }
    }
}
