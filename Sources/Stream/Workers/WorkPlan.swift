import Basics
import Problems
import Time
import Trips

/// What a worker computes, whatever the range: the payload of a plan's frame.
///
///     build         text: the version of the taxi-cli that wrote it; a worker of another one refuses
///     topic         text; tenant: text; zone: text, its identifier
///     late records  0 or 1: whether records that are late are kept whole
///     late schema   0 or 1, and where 1: number: the id of the schema that those name, as Avro; 0 for JSON
///     delay         ms that the watermark trails the newest event time
///     schemas       0 or 1, and where 1: text: the place they are from; their number, and for each its id and its text: all that there are, for
///                   records of Avro; 0 where workers ask a registry themselves
///     files         may be missing, of a plan for topics: how trips of files are read: clock, spread: texts; seed; whether junk is left out, 0 or 1;
///                   from, to: ms UTC, may be missing; required, optional: numbers, a bit a field; purpose: text; number of users, and for each its
///                   field and the number of its names, each a text (`TripSourceOptions`)
///     queries       text: their declarations, as a file of queries; only what decides about states is in it
///
/// Queries travel as declarations, since reading those checks all of what they say already.
struct WorkPlan: Sendable {
    var build: String
    var setting: WorkSetting
    var delayMs: Int64
    var schemas: ShippedSchemas?
    var files: TripSourceOptions?
    var plans: [QueryPlan]

    /// - Throws: `.software` where a declaration would say something else than its query.
    func frame() throws(Problem) -> [UInt8] {
        let declarations = Self.declarations(plans)
        let read = try QueryCatalog.parse(declarations, file: Self.file)
        guard read.map(Core.init) == plans.map(Core.init) else {
            throw Problem(
                .software, "the queries \(plans.map(\.name).joined(separator: ", ")) cannot be sent to workers")
        }
        var writer = WireWriter()
        writer.add(build)
        writer.add(setting.topic)
        writer.add(setting.tenant)
        writer.add(setting.zone.identifier)
        writer.add(setting.keepsLateRecords)
        writer.add(setting.lateSchemaID) { $0.add(Int64($1)) }
        writer.add(delayMs)
        writer.add(schemas) { writer, schemas in
            writer.add(schemas.place)
            writer.add(schemas.texts.sorted { $0.key < $1.key }) { writer, schema in
                writer.add(Int64(schema.key))
                writer.add(schema.value)
            }
        }
        writer.add(files) { $0.add($1) }
        writer.add(declarations)
        return WireFrame.bytes(.plan, writer.bytes)
    }

    /// - Parameter build: of this taxi-cli.
    init(payload: [UInt8], build: String) throws(Problem) {
        var reader = WireReader(payload)
        self.build = try reader.string()
        guard self.build == build else {
            throw Problem(
                .configuration, "the coordinator is taxi-cli \(self.build), and this worker \(build)",
                hint: "Ship the same binary: taxi-cli spark archive makes what goes to the workers.")
        }
        let (topic, tenant) = (try reader.string(), try reader.string())
        let zone = try ZoneClock(identifier: try reader.string())
        setting = WorkSetting(
            topic: topic, tenant: tenant, zone: zone, keepsLateRecords: try reader.flag(),
            lateSchemaID: try reader.optional { reader throws(Problem) in
                UInt32(truncatingIfNeeded: try reader.number(in: 0...Int64(UInt32.max)))
            })
        delayMs = try reader.number(in: 0...(1 << 50))
        schemas = try reader.optional { reader throws(Problem) in
            let place = try reader.string()
            let texts = try reader.list(least: 16) { reader throws(Problem) in
                (Int32(try reader.number(in: 0...Int64(Int32.max))), try reader.string())
            }
            return ShippedSchemas(place: place, texts: Dictionary(texts) { $1 })
        }
        let zoneOfFiles = setting.zone
        files = try reader.optional { reader throws(Problem) in try reader.sourceOptions(zone: zoneOfFiles) }
        plans = try QueryCatalog.parse(try reader.string(), file: Self.file)
        try reader.requireEnd()
    }

    init(
        build: String, setting: WorkSetting, delayMs: Int64, plans: [QueryPlan], schemas: ShippedSchemas? = nil,
        files: TripSourceOptions? = nil
    ) {
        (self.schemas, self.files) = (schemas, files)
        (self.build, self.setting, self.delayMs, self.plans) = (build, setting, delayMs, plans)
    }

    private static let file = "(queries of a worker)"

    /// What states depend on.
    private struct Core: Equatable {
        var name: String
        var window: WindowSpec
        var groups: [GroupKey]
        var filter: Predicate?
        var aggregates: [AggregatePlan]

        init(_ plan: QueryPlan) {
            (name, window, groups, filter) = (plan.name, plan.window, plan.groups, plan.filter)
            aggregates = plan.aggregates
        }
    }

    private static func declarations(_ plans: [QueryPlan]) -> String {
        var text = "queries:\n"
        for (index, plan) in plans.enumerated() {
            text += "  - name: \(quoted(plan.name))\n"
            // Views and topics of their own are nothing to a worker, but no two may have one name.
            text += "    table: worker_view_\(index)\n    topic: workerTopic\(index)\n"
            if let filter = plan.filter { text += "    where: \(quoted(filter.description))\n" }
            if !plan.groups.isEmpty { text += "    group: [\(plan.groups.map(\.name).joined(separator: ", "))]\n" }
            text += "    window: \(window(plan.window))\n    aggregates:\n"
            for aggregate in plan.aggregates { text += "      \(quoted(aggregate.name)): \(aggregate.expression)\n" }
        }
        return text
    }

    private static func window(_ spec: WindowSpec) -> String {
        switch spec {
        case .tumbling(let sizeMs): "{tumbling: \(sizeMs)ms}"
        case .sliding(let sizeMs, let everyMs): "{sliding: \(sizeMs)ms, every: \(everyMs)ms}"
        case .localDay: "{tumbling: day}"
        case .none: "none"
        }
    }

    /// A text of YAML in double quotes.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\" + String(scalar)
            default:
                if scalar.value < 0x20 || scalar.value == 0x7f || (0x80...0x9f).contains(scalar.value)
                    || scalar == "\u{2028}"
                    || scalar == "\u{2029}" || scalar == "\u{feff}"
                {
                    quoted += "\\u" + hexadecimal(scalar.value, digits: 4)
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}
