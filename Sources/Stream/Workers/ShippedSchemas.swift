import Problems
import SchemaRegistry

/// The schemas of a tenant's own registry, as they were when an epoch began: for workers that cannot read its file.
final class ShippedSchemas: SchemaRegistry {
    /// What messages call the registry.
    let place: String
    let texts: [Int32: String]

    init(place: String, texts: [Int32: String]) { (self.place, self.texts) = (place, texts) }

    /// All that a cache's registry has; nil where that is one which workers ask themselves.
    convenience init?(of cache: SchemaCache) throws(Problem) {
        guard let registry = cache.registry as? LocalRegistry else { return nil }
        var texts: [Int32: String] = [:]
        for subject in try registry.subjectNames(deleted: true) {
            for version in try registry.versionNumbers(of: subject, deleted: true) {
                let schema = try registry.schema(.number(version), of: subject, deleted: true)
                texts[Int32(schema.id)] = schema.schema
            }
        }
        self.init(place: cache.place, texts: texts)
    }

    func schema(id: Int32) -> String? { texts[id] }
    func find(_ schema: String, under subject: String) -> RegisteredSchema? { nil }
    func latest(of subject: String) -> RegisteredSchema? { nil }
    func incompatibilities(of schema: String, under subject: String) -> [String] { [] }
    func register(_ schema: String, under subject: String) throws(Problem) -> RegisteredSchema {
        throw Problem(.software, "a worker registers no schemas")
    }
}
