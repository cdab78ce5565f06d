public import Problems

/// A schema as a registry has it.
public struct RegisteredSchema: Sendable, Equatable {
    public var subject: String
    /// Which of the subject's schemas, from 1.
    public var version: Int
    /// What a message names it by: one text has one id, under whatever subjects.
    public var id: Int32
    /// Its text, as it was registered.
    public var schema: String

    public init(subject: String, version: Int, id: Int32, schema: String) {
        (self.subject, self.version, self.id, self.schema) = (subject, version, id, schema)
    }
}

/// Where schemas of messages are kept: the tenant's own, or one that others serve.
///
/// Surface: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
public protocol SchemaRegistry: AnyObject, Sendable {
    /// Registers a schema; one that is there already keeps its id and version.
    ///
    /// - Throws: `badData` where the text is no schema, or is not compatible with those before it; `unavailable` where nobody answers.
    func register(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema
    /// The schema under this subject that has this text, or nil.
    func find(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema?
    /// The text that an id stands for, or nil where nobody registered it.
    func schema(id: Int32) throws(Problem) -> String?
    /// The newest schema of a subject, or nil.
    func latest(of subject: String) throws(Problem) -> RegisteredSchema?
    /// Why a schema could not be registered under this subject, a sentence each; empty where it could.
    func incompatibilities(of schema: String, under subject: String) throws(Problem) -> [String]
}
