import Time
public import Problems
internal import Basics
internal import Database
internal import Workflow
internal import YAML

/// The models of a tenant: its `ml.yaml`.
public enum ModelCatalog {
    /// - Parameters:
    ///   - zone: by which cron expressions are meant.
    ///   - names: of the tenant.
    /// - Throws: `.configuration` with every mistake in the order of the file; `.noInput`, `.noPermission`.
    public static func load(
        path: String, zone: String, names known: ModelNames = ModelNames()
    ) throws(Problem) -> [ModelSpec] {
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
            for problem in mistakes(of: model, item, known, names: items.compactMap { $0["name"]?.scalar }) {
                problems.add(problem)
            }
        }
        try problems.throwIfAny()
        return models
    }

    /// The names of the models that are declared; nil where the file has mistakes or cannot be read.
    public static func namesIfReadable(path: String, zone: String) -> Set<String>? {
        do throws(Problem) { return Set(try load(path: path, zone: zone).map(\.name)) } catch {
            return error.code == .noInput ? [] : nil
        }
    }

    /// Names that mean nothing, or something else.
    private static func mistakes(
        of model: ModelSpec, _ node: YAMLNode, _ known: ModelNames, names models: [String]
    ) -> [Problem] {
        var problems: [Problem] = []
        if let topic = model.topic, let purpose = known.topics[topic] {
            problems.append(
                (node["to"]?["topic"] ?? node).problem(
                    "the topic \"\(topic)\" has \(purpose), and is not for answers", hint: "Choose another name."))
        }
        if let baseline = model.compare?.baseline, !models.contains(baseline) || baseline == model.name {
            let near = nearestName(to: baseline, among: models.filter { $0 != model.name })
            problems.append(
                (node["compare"]?["baseline"] ?? node).problem(
                    "there is no other model \"\(baseline)\" to compare with",
                    hint: near.map { "Did you mean \"\($0)\"?" } ?? "Declare it in this file."))
        }
        guard let views = known.views else { return problems }
        func look(_ name: String, _ place: YAMLNode?) {
            let name = name.lowercased()
            if views.contains(name) || TakenNames.reason(name) != nil { return }
            let near = nearestName(to: name, among: Array(views)).map { "Did you mean \"\($0)\"? " } ?? ""
            problems.append(
                (place ?? node).problem(
                    "no query, analysis or view is called \"\(name)\"",
                    hint: near + "taxi-cli show lists what there is."))
        }
        if case .result(let name) = model.trigger { look(name, node["on_result"]) }
        if case .view(let name) = model.source { look(name, node["source"]?["view"] ?? node["source"]) }
        return problems
    }
}
