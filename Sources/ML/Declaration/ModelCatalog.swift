import Time
public import Problems
internal import Workflow
internal import YAML

/// The models of a tenant: its `ml.yaml`.
public enum ModelCatalog {
    /// - Parameters:
    ///   - zone: by which cron expressions are meant.
    /// - Throws: `.configuration` with every mistake in the order of the file; `.noInput`, `.noPermission`.
    public static func load(path: String, zone: String) throws(Problem) -> [ModelSpec] {
        let node = try YAMLNode.load(path: path)
        let clock = try ZoneClock(identifier: zone)
        var problems = ProblemList()
        if node.isNull { return [] }
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: ["models"], of: "file of models") }
        let items = problems.attempt { () throws(Problem) in try node["models"]?.items() ?? [] } ?? []
        let folder = Files.folder(of: path)
        var models: [ModelSpec] = []
        var names: [String: YAMLNode] = [:]
        for item in items {
            var reader = ModelReader(item, zone: clock, folder: folder)
            let model = problems.attempt { () throws(Problem) in try reader.read() }
            guard let name = item["name"] else { continue }
            if let first = names[name.scalar ?? ""] {
                problems.add(
                    name.problem(
                        "two models are called \"\(name.scalar ?? "")\"",
                        hint: "The other one stands in line \(first.location.line)."))
            }
            names[name.scalar ?? ""] = name
            guard let model else { continue }
            if let table = model.table, models.contains(where: { $0.table?.lowercased() == table.lowercased() }) {
                problems.add(item.problem("two models have the table \"\(table)\"", hint: "Give each one of its own."))
            }
            models.append(model)
        }
        try problems.throwIfAny()
        return models
    }
}
