public import Problems

/// Collects what is wrong with a file, so that a person learns all of it at once.
public struct ProblemList: Sendable {
    public private(set) var problems: [Problem] = []

    public init() {}
    public var isEmpty: Bool { problems.isEmpty }

    /// Keeps a problem; those it carries in `others` count as their own.
    public mutating func add(_ problem: Problem) {
        var first = problem
        first.others = []
        problems.append(first)
        for other in problem.others { add(other) }
    }

    /// What `body` gives, or nil and its problem kept.
    public mutating func attempt<Value>(_ body: () throws(Problem) -> Value) -> Value? {
        do { return try body() } catch {
            add(error)
            return nil
        }
    }

    /// Throws the first problem of the file with the later ones in `others`, in the order of their places.
    public func throwIfAny() throws(Problem) {
        let sorted = problems.enumerated().sorted { a, b in
            let (x, y) = (a.element.location, b.element.location)
            return (x?.line ?? 0, x?.column ?? 0, a.offset) < (y?.line ?? 0, y?.column ?? 0, b.offset)
        }.map(\.element)
        guard var first = sorted.first else { return }
        first.others = Array(sorted.dropFirst())
        throw first
    }
}
