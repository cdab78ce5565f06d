public import Problems
internal import SQLite

/// Why a registry does not do what it was asked for, with the number by which clients know the reason.
///
/// Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html, "Errors".
public struct RegistryRefusal: Error, Sendable {
    /// Such as 40401.
    public var code: Int
    public var message: String
    /// What lies behind it: where a text is wrong, what the disk said.
    public var problem: Problem?

    public init(_ code: Int, _ message: String, _ problem: Problem? = nil) {
        (self.code, self.message, self.problem) = (code, message, problem)
    }

    /// The status of HTTP that goes with it.
    public var status: Int { code < 1000 ? code : code / 100 }
}

extension RegistryRefusal {
    static func noSubject(_ subject: String) -> Self { .init(40401, "Subject '\(subject)' not found.") }
    static func noVersion(_ version: Int) -> Self { .init(40402, "Version \(version) not found.") }
    static let noSchema = RegistryRefusal(40403, "Schema not found")
    static func isDeleted(_ subject: String) -> Self {
        .init(40404, "Subject '\(subject)' was soft deleted. Set permanent=true to delete permanently")
    }
    static func isNotDeleted(_ subject: String) -> Self {
        .init(40405, "Subject '\(subject)' was not deleted first before being permanently deleted")
    }
    static func isDeleted(_ subject: String, version: Int) -> Self {
        .init(
            40406, "Subject '\(subject)' Version \(version) was soft deleted. Set permanent=true to delete permanently")
    }
    static func isNotDeleted(_ subject: String, version: Int) -> Self {
        .init(
            40407,
            "Subject '\(subject)' Version \(version) was not deleted first before being permanently deleted")
    }
    static func noLevel(_ subject: String) -> Self {
        .init(40408, "Subject '\(subject)' does not have subject-level compatibility configured")
    }
    static func noMode(_ subject: String) -> Self {
        .init(40409, "Subject '\(subject)' does not have subject-level mode configured")
    }
    static func incompatible(_ subject: String, _ messages: [String]) -> Self {
        .init(
            409,
            "Schema being registered is incompatible with an earlier schema for subject \"\(subject)\", details: [\(messages.joined(separator: ", "))]"
        )
    }
    static func invalidSchema(_ problem: Problem) -> Self {
        let place = problem.location.map { "line \($0.line), column \($0.column): " } ?? ""
        let all = ([problem] + problem.others).map(\.message).joined(separator: "; ")
        return .init(42201, "Invalid schema: \(place)\(all)", problem)
    }
    static func invalidVersion(_ text: String) -> Self {
        .init(
            42202,
            "The specified version '\(text)' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
        )
    }
    static func notPermitted(_ message: String) -> Self { .init(42205, message) }
    static func invalidSubject(_ subject: String) -> Self {
        .init(42208, "The specified subject '\(visible(subject))' is not a valid name of one.")
    }

    /// What a store refused.
    init(_ error: any Error, doing action: String) {
        let problem =
            (error as? SQLiteError).map { Problem($0, doing: action) } ?? error as? Problem
            ?? Problem(.software, "\(action) failed: \(error)")
        self.init(50001, "Error in the backend data store: \(problem.message)", problem)
    }

    /// The same, told to a person.
    public var asProblem: Problem {
        if let problem { return problem }
        let cause: Problem.Code =
            switch code {
            case 40400...40499: .noInput
            case 42202...42204, 42208: .usage
            case 42205, 42206: .noPermission
            case 50000...50099: .unavailable
            default: .badData
            }
        // Told as a sentence of ours: without what ends one.
        let text = message.hasSuffix(".") ? String(message.dropLast()) : message
        let hint: String? =
            switch code {
            case 40401: "taxi-cli schema list names the subjects."
            case 40402: "taxi-cli schema list SUBJECT names its versions."
            case 40404, 40406:
                "taxi-cli schema delete --permanent takes it away for good; registering it once more brings it back."
            case 40405, 40407: "Delete it without --permanent first."
            default: nil
            }
        return Problem(cause, text.prefix(1).lowercased() + text.dropFirst(), hint: hint)
    }
}
