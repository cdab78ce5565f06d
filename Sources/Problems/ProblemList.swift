/// Collects what is wrong with a file, so that a person learns all of it at once.
public struct ProblemList: Sendable {
    /// Nobody reads more at once.
    package static let limit = 100

    public private(set) var problems: [Problem] = []
    /// How many more there were.
    private var left = 0

    public init() {}
    public var isEmpty: Bool { problems.isEmpty }

    /// Keeps a problem, the same at one place once; those it carries in `others` count as their own.
    public mutating func add(_ problem: Problem) {
        var first = problem
        first.others = []
        if !holds(first) {
            if problems.count < Self.limit { problems.append(first) } else { left += 1 }
        }
        for other in problem.others { add(other) }
    }

    private func holds(_ problem: Problem) -> Bool {
        guard let place = problem.location else { return false }
        return problems.contains { $0.location == place && $0.message == problem.message }
    }

    /// Counts mistakes that nobody looked at any more.
    package mutating func leaveOut(_ count: Int) { left += count }

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
        if left > 0 {
            first.others.append(
                Problem(first.code, "\(left) more mistakes are not shown", hint: "Mend these, and look again."))
        }
        throw first
    }
}
