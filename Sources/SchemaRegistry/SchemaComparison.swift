internal import Avro
internal import Problems

/// What keeps a new schema from standing beside an earlier one.
public struct SchemaComparison: Sendable {
    /// The earlier schema that it does not get on with, the newest of them.
    public let earlier: RegisteredSchema
    /// What is in the way where the new schema reads what was written, and where the earlier one reads what will be.
    public let readingOld: [SchemaDifference]
    public let readByOld: [SchemaDifference]

    /// - Parameters:
    ///   - earlier: the subject's schemas, the oldest first.
    /// - Returns: nil where the schema may be registered.
    /// - Throws: 42201 for a text that is no schema, or one with too many pairs of types to look at.
    public init?(
        _ text: String, _ earlier: [RegisteredSchema], _ level: CompatibilityLevel
    ) throws(RegistryRefusal) {
        guard level != .none else { return nil }
        let new = try Self.schema(text, file: "schema")
        for old in level.isTransitive ? earlier.reversed() : earlier.suffix(1) {
            let written = try Self.schema(old.schema, file: "\(old.subject), version \(old.version)")
            var (readingOld, readByOld): ([SchemaDifference], [SchemaDifference]) = ([], [])
            do throws(Problem) {
                if level.readsOld { readingOld = try AvroCompatibility.differences(reader: new, writer: written) }
                if level.isReadByOld { readByOld = try AvroCompatibility.differences(reader: written, writer: new) }
            } catch {
                throw .invalidSchema(error)
            }
            guard !readingOld.isEmpty || !readByOld.isEmpty else { continue }
            (self.earlier, self.readingOld, self.readByOld) = (old, readingOld, readByOld)
            return
        }
        return nil
    }

    private static func schema(_ text: String, file: String) throws(RegistryRefusal) -> AvroSchema {
        do throws(Problem) { return try AvroSchema(text, file: file) } catch { throw .invalidSchema(error) }
    }

    /// As clients of a registry read them.
    public var messages: [String] {
        readingOld.map { $0.message(reader: "new", writer: "old") }
            + readByOld.map { $0.message(reader: "old", writer: "new") }
            + ["{oldSchemaVersion: \(earlier.version)}", "{oldSchema: '\(earlier.schema)'}"]
    }

    /// As a person is told: `version 1: the field …`.
    public var sentences: [String] {
        (readingOld.map { $0.sentence(reader: "new", writer: "old") }
            + readByOld.map { $0.sentence(reader: "old", writer: "new") })
            .map { "version \(earlier.version): \($0.prefix(1).lowercased())\($0.dropFirst())" }
    }

    /// What no check refuses, and yet reads numbers wrongly: decimals whose scale is another than before.
    ///
    /// - Returns: a sentence each.
    /// - Throws: 42201.
    public static func warnings(_ text: String, after earlier: RegisteredSchema) throws(RegistryRefusal) -> [String] {
        let (new, old) = (try schema(text, file: "schema"), try schema(earlier.schema, file: earlier.subject))
        do throws(Problem) {
            return try AvroCompatibility.changedScales(reader: new, writer: old).map { change in
                "version \(earlier.version): the decimal at path '\(change.path)' has scale \(change.reader) now and \(change.writer) in the old schema: numbers that were written will be read as others"
            }
        } catch {
            throw .invalidSchema(error)
        }
    }
}

/// One thing for which a schema cannot read what another has written.
public struct SchemaDifference: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case missingDefault = "READER_FIELD_MISSING_DEFAULT_VALUE"
        case type = "TYPE_MISMATCH"
        case name = "NAME_MISMATCH"
        case size = "FIXED_SIZE_MISMATCH"
        case symbols = "MISSING_ENUM_SYMBOLS"
        case branch = "MISSING_UNION_BRANCH"
    }
    public var kind: Kind
    /// In the reader's schema: `/fields/1/type`.
    public var path: String
    /// The field, the symbols, what was expected.
    public var detail: String

    func sentence(reader: String, writer: String) -> String {
        switch kind {
        case .missingDefault:
            "The field '\(detail)' at path '\(path)' in the \(reader) schema has no default value and is missing in the \(writer) schema"
        case .type:
            "The type (path '\(path)') of a field in the \(reader) schema does not match with the \(writer) schema"
        case .name: "The name of the schema has changed (path '\(path)')"
        case .size:
            "The size of FIXED type field at path '\(path)' in the \(reader) schema does not match with the \(writer) schema"
        case .symbols:
            "The \(reader) schema is missing enum symbols '\(detail)' at path '\(path)' in the \(writer) schema"
        case .branch:
            "The \(reader) schema is missing a type inside a union field at path '\(path)' in the \(writer) schema"
        }
    }

    func message(reader: String, writer: String) -> String {
        "{errorType:'\(kind.rawValue)', description:'\(sentence(reader: reader, writer: writer))', additionalInfo:'\(detail)'}"
    }
}
