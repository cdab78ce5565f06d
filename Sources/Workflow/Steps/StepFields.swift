internal import Problems
internal import YAML

/// Reads the keys of a step's mapping and collects what is wrong with them, so that a person learns all of it at once.
struct StepFields {
    let node: YAMLNode
    private(set) var problems = ProblemList()

    /// - Parameter kind: of the step, for the messages.
    init(_ node: YAMLNode, keys: [String], of kind: String) {
        self.node = node
        problems.attempt { () throws(Problem) in try node.requireOnly(keys: keys, of: "step with \(kind)") }
    }

    /// What `body` reads at a key; nil where the key is not there, or the problem is noted.
    mutating func read<Value>(_ key: String, _ body: (YAMLNode) throws(Problem) -> Value) -> Value? {
        guard let value = node[key] else { return nil }
        return problems.attempt { () throws(Problem) in try body(value) }
    }

    mutating func template(_ key: String) -> Template? {
        read(key) { (node) throws(Problem) in try node.template() }
    }

    /// As `template`, of a key that has to be there.
    mutating func required(
        _ key: String,
        _ body: (YAMLNode) throws(Problem) -> Template = { (node) throws(Problem) in try node.template() }
    ) -> Template? {
        problems.attempt { [node] () throws(Problem) in try body(try node.required(key)) }
    }

    mutating func add(_ problem: Problem) { problems.add(problem) }

    /// A value that is there where no problem is.
    ///
    /// - Throws: all problems.
    func checked<Value>(_ value: Value?) throws(Problem) -> Value {
        try problems.throwIfAny()
        guard let value else { throw node.unexpected("a step") }
        return value
    }
}
