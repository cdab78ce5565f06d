internal import Problems
internal import YAML

/// Reads how requests and answers of a model look: its keys `request` and `response`.
struct WireReader {
    private let request: YAMLNode?
    private let response: YAMLNode?
    private let node: YAMLNode
    private let schema: [ModelSpec.Field]

    init(_ node: YAMLNode, _ schema: [ModelSpec.Field]) {
        (self.node, self.schema) = (node, schema)
        (request, response) = (node["request"], node["response"])
    }

    /// - Parameter needsColumns: whether the source does not say by itself what a row has.
    func json(needsColumns: Bool) throws(Problem) -> JSONMapping {
        var problems = ProblemList()
        var mapping = JSONMapping()
        problems.attempt { () throws(Problem) in
            guard let request else { return }
            try request.requireOnly(keys: ["rows", "fields", "as"], of: "request")
            if let place = request["rows"] { mapping.rows = try place.text() }
            if let place = request["as"] {
                mapping.asArrays = try place.choice(among: ["objects", "arrays"], of: "form of rows") == "arrays"
            }
            if let place = request["fields"] {
                mapping.columns = try Self.pairs(place).map { (sent: $0.name, column: $0.value) }
            }
        }
        if needsColumns, mapping.columns.isEmpty {
            problems.add(
                (request ?? node).problem(
                    "what is sent of a topic's records has to be said",
                    hint: "Name the members: request: {fields: [window.start, count]}."))
        }
        problems.attempt { () throws(Problem) in
            guard let response else { return }
            try response.requireOnly(keys: ["path", "fields"], of: "response")
            if let place = response["path"] {
                mapping.path = try place.text().split(separator: ".").map(String.init)
            }
            if let place = response["fields"] {
                mapping.fields = try Self.pairs(place).map { (field: $0.name, member: $0.value) }
                for field in mapping.fields where !schema.isEmpty && !schema.contains(where: { $0.name == field.field })
                {
                    throw place.problem(
                        "\"\(field.field)\" is no field of the schema",
                        hint:
                            "Write FIELD: MEMBER for each; the schema has \(schema.map(\.name).joined(separator: ", "))."
                    )
                }
            }
        }
        try problems.throwIfAny()
        return mapping
    }

    func kserve() throws(Problem) -> KServeMapping {
        var problems = ProblemList()
        let inputs = problems.attempt { () throws(Problem) in
            guard let request else {
                throw node.problem(
                    "the inputs of the model are not declared",
                    hint: "Write request: {inputs: [{name: x, datatype: FP64, shape: [-1, 2], columns: [area, hour]}]}."
                )
            }
            try request.requireOnly(keys: ["inputs"], of: "request")
            return try tensors(try request.required("inputs"))
        }
        let outputs = problems.attempt { () throws(Problem) in
            guard let response else {
                throw node.problem(
                    "the outputs of the model are not declared",
                    hint:
                        "Write response: {outputs: [{name: predict, datatype: FP64, shape: [-1, 1], columns: [forecast]}]}."
                )
            }
            try response.requireOnly(keys: ["outputs"], of: "response")
            let tensors = try tensors(try response.required("outputs"))
            for field in schema where !tensors.contains(where: { $0.columns.contains(field.name) }) {
                throw response.problem("no output gives the field \"\(field.name)\" of the schema")
            }
            return tensors
        }
        try problems.throwIfAny()
        guard let inputs, let outputs else { throw node.unexpected("inputs and outputs") }
        return KServeMapping(inputs: inputs, outputs: outputs)
    }

    private func tensors(_ node: YAMLNode) throws(Problem) -> [KServeMapping.Tensor] {
        var problems = ProblemList()
        var tensors: [KServeMapping.Tensor] = []
        for item in try node.items() {
            problems.attempt { () throws(Problem) in
                try item.requireOnly(keys: ["name", "datatype", "shape", "columns"], of: "tensor")
                let name = try item.required("name").text()
                if tensors.contains(where: { $0.name == name }) { throw item.problem("\"\(name)\" is declared twice") }
                let word = try item.required("datatype").choice(
                    among: KServeMapping.Datatype.allCases.map(\.rawValue), of: "datatype")
                let columns =
                    try item["columns"].map { (node) throws(Problem) in
                        try ModelReader.texts(node, what: "column")
                    } ?? [name]
                let shape = try item.required("shape")
                let sizes = try self.shape(shape)
                let width = sizes.reduce(1) { $0 * $1 }
                guard width == columns.count else {
                    throw shape.problem(
                        "a row of this shape has \(width) values, and there are \(columns.count) columns",
                        hint: "The first dimension is the rows': [-1, \(columns.count)].")
                }
                tensors.append(
                    .init(
                        name: name, datatype: KServeMapping.Datatype(rawValue: word) ?? .fp64, rowShape: sizes,
                        columns: columns))
            }
        }
        try problems.throwIfAny()
        guard !tensors.isEmpty else { throw node.unexpected("at least one tensor") }
        return tensors
    }

    private func shape(_ node: YAMLNode) throws(Problem) -> [Int] {
        var sizes: [Int] = []
        for item in try node.items() { sizes.append(Int(try item.integer(in: -1...10_000))) }
        guard sizes.first == -1, sizes.dropFirst().allSatisfy({ $0 > 0 }), sizes.count <= 8 else {
            throw node.problem(
                "this is no shape of rows", hint: "Begin with -1 for the rows: [-1] or [-1, 3].")
        }
        return Array(sizes.dropFirst())
    }

    /// `[a, b]`, each by its own name, or `{a: x, b: y}`.
    private static func pairs(_ node: YAMLNode) throws(Problem) -> [(name: String, value: String)] {
        if case .mapping(let entries) = node.content {
            var pairs: [(name: String, value: String)] = []
            for entry in entries { pairs.append((entry.name, try entry.value.text())) }
            return pairs
        }
        return try ModelReader.texts(node, what: "column").map { ($0.replacing(".", with: "_"), $0) }
    }
}
