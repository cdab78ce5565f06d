internal import Foundation

/// Text with places to fill in: `out/{{ interval }}.csv`.
public struct Template: Sendable, Hashable {
    public enum Reference: Sendable, Hashable {
        case interval, intervalStart, intervalEnd, runID
        case param(String)
        case step(String, key: String)
        case environment(String)
        /// The secret that a file of mode 0600 holds.
        case file(String)
        /// What is known of a run that has failed: `run.workflow`, `run.step`, `run.error`; for what runs on a failure.
        case failure(String)
    }

    enum Piece: Sendable, Hashable {
        case text(String)
        /// With the byte of the template's text at which the name stands.
        case reference(Reference, offset: Int)

        /// Whether somebody else than the author of the workflow and of its environment says what stands there.
        var isGiven: Bool {
            switch self {
            case .reference(.param, _), .reference(.step, _), .reference(.failure, _): true
            default: false
            }
        }
    }

    public struct Mistake: Error, Sendable, Hashable {
        public var message: String
        /// Byte of the text.
        public var offset: Int
        public var hint: String?
    }

    public let source: String
    let pieces: [Piece]

    /// - Throws: `Mistake` where `{{` has no `}}`, or something unknown stands between them.
    public init(_ source: String) throws(Mistake) {
        var pieces: [Piece] = []
        var rest = Substring(source)
        while let open = rest.range(of: "{{") {
            if open.lowerBound > rest.startIndex { pieces.append(.text(String(rest[..<open.lowerBound]))) }
            let offset = source.utf8.distance(from: source.startIndex, to: open.lowerBound)
            guard let close = rest[open.upperBound...].range(of: "}}") else {
                throw Mistake(message: "\"{{\" without \"}}\"", offset: offset, hint: "Close it with \"}}\".")
            }
            let inner = rest[open.upperBound..<close.lowerBound]
            let name = inner.drop { $0 == " " }
            let start = source.utf8.distance(from: source.startIndex, to: name.startIndex)
            let trimmed = name.reversed().drop { $0 == " " }.reversed()
            pieces.append(.reference(try Self.reference(String(trimmed), at: start), offset: start))
            rest = rest[close.upperBound...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        (self.source, self.pieces) = (source, pieces)
    }

    /// One of a single piece.
    init(_ piece: Piece) { (source, pieces) = ("", [piece]) }

    /// One without places to fill in, whatever stands in the text.
    init(text: String) { (source, pieces) = (text, text.isEmpty ? [] : [.text(text)]) }

    /// The name in a text that is `$NAME` and nothing else.
    static func variable(_ text: String) -> String? {
        guard let first = text.utf8.dropFirst().first, text.utf8.first == UInt8(ascii: "$"),
            first == UInt8(ascii: "_") || !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            text.utf8.dropFirst().allSatisfy({ byte in
                byte == UInt8(ascii: "_") || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                    || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
            })
        else { return nil }
        return String(text.dropFirst())
    }

    /// Whether what it is filled in with can still decide that it begins so.
    func couldBegin(withOneOf prefixes: [String]) -> Bool {
        var known = ""
        var isWhole = true
        for piece in pieces {
            guard case .text(let text) = piece else {
                isWhole = false
                break
            }
            known += text
        }
        return prefixes.contains { known.hasPrefix($0) || !isWhole && $0.hasPrefix(known) }
    }

    var references: [(reference: Reference, offset: Int)] {
        pieces.compactMap { piece in
            if case .reference(let reference, let offset) = piece { (reference, offset) } else { nil }
        }
    }

    private static func reference(_ name: String, at offset: Int) throws(Mistake) -> Reference {
        // A path may hold dots.
        if name.hasPrefix("file:"), name.utf8.count > 5 { return .file(String(name.dropFirst(5))) }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("interval", 1): return .interval
        case ("interval", 2) where parts[1] == "start": return .intervalStart
        case ("interval", 2) where parts[1] == "end": return .intervalEnd
        case ("run", 2) where parts[1] == "id": return .runID
        case ("run", 2) where ["workflow", "step", "error"].contains(parts[1]): return .failure(parts[1])
        case ("params", 2) where !parts[1].isEmpty: return .param(parts[1])
        case ("steps", 3) where !parts[1].isEmpty && !parts[2].isEmpty: return .step(parts[1], key: parts[2])
        case ("env", 2) where !parts[1].isEmpty: return .environment(parts[1])
        default:
            throw Mistake(
                message: "\"\(name)\" cannot be filled in", offset: offset,
                hint:
                    "Known: interval, interval.start, interval.end, run.id, run.workflow, params.NAME, steps.NAME.KEY, env.NAME, file:PATH."
            )
        }
    }
}

/// What a run fills into its templates.
public struct TemplateValues: Sendable {
    var interval: (name: String, start: String, end: String)?
    /// nil while there is no run yet.
    var runID: String?
    var params: [String: String]
    /// Outputs of the steps that have ended, by step and key.
    var steps: [String: [String: String]]
    var environment: [String: String]
    /// What secret files hold, by path.
    var files: [String: String] = [:]
    /// By `workflow`, `step` and `error`; the last two only where the run has failed.
    var failure: [String: String] = [:]

    /// - Throws: `Unfilled` for what has no value: an unset variable, or a step that was skipped and left nothing behind.
    func fill(_ template: Template) throws(Unfilled) -> String {
        var text = ""
        for piece in template.pieces {
            switch piece {
            case .text(let part): text += part
            case .reference(let reference, _): text += try value(of: reference)
            }
        }
        return text
    }

    /// The text with what has no value left as it is written.
    func fillKnown(_ template: Template) -> String {
        template.pieces.map { piece in
            switch piece {
            case .text(let part): part
            case .reference(let reference, _): lookUp(reference).found ?? "{{ \(lookUp(reference).name) }}"
            }
        }.joined()
    }

    private func value(of reference: Template.Reference) throws(Unfilled) -> String {
        let (found, name) = lookUp(reference)
        guard let found else { throw Unfilled(name: name) }
        return found
    }

    private func lookUp(_ reference: Template.Reference) -> (found: String?, name: String) {
        switch reference {
        case .interval: (interval?.name, "interval")
        case .intervalStart: (interval?.start, "interval.start")
        case .intervalEnd: (interval?.end, "interval.end")
        case .runID: (runID, "run.id")
        case .param(let name): (params[name], "params.\(name)")
        case .step(let step, let key): (steps[step]?[key], "steps.\(step).\(key)")
        case .environment(let name): (environment[name], "env.\(name)")
        case .file(let path): (files[path], "file:\(path)")
        case .failure(let name): (failure[name], "run.\(name)")
        }
    }
}

/// A place of a template that has no value.
struct Unfilled: Error, CustomStringConvertible {
    var name: String
    var description: String { "\"\(name)\" has no value" }
}
