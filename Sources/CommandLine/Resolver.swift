internal import Problems

/// Finds the value of every option: flag, else environment, else taxi.yaml, else default.
struct Resolver {
    let environment: [String: String]
    let configuration: Configuration?

    /// - Parameters:
    ///   - exclusive: see `Command.exclusive`.
    ///   - isWhole: whether no more options may follow, so that one that is missing is missed.
    /// - Throws: `Problem` for every value that is not what its option takes; the first one carries the others.
    func resolve(
        _ options: [Option], given: [ParsedLine.Occurrence] = [], exclusive: [[String]] = [], isWhole: Bool = true
    ) throws(Problem) -> [String: ResolvedOption] {
        var resolved: [String: ResolvedOption] = [:]
        var problems: [Problem] = []
        for option in options {
            do throws(Problem) {
                resolved[option.long] = try resolve(option, given: given)
            } catch {
                problems.append(error)
            }
        }
        if let problem = Problem.gathered(problems) { throw problem }
        guard isWhole else { return resolved }
        for names in exclusive { try settle(names, in: &resolved) }
        for option in options { try requireNeeded(option, in: resolved) }
        return resolved
    }

    /// - Throws: `.usage` for a flag that means nothing without another, which is not there.
    private func requireNeeded(_ option: Option, in resolved: [String: ResolvedOption]) throws(Problem) {
        guard let needed = option.needs, let given = resolved[option.long], case .flag = given.origin,
            given.isChosen, resolved[needed]?.isChosen != true
        else { return }
        throw Problem(
            .usage, "--\(option.long) means nothing without --\(needed)",
            hint: "Add --\(needed), or leave --\(option.long) out.")
    }

    private func resolve(_ option: Option, given: [ParsedLine.Occurrence]) throws(Problem) -> ResolvedOption {
        let occurrences = given.filter { $0.long == option.long }
        if !occurrences.isEmpty {
            let texts = occurrences.map { $0.text ?? "true" }
            return try read(option, option.isRepeated ? texts : [texts[texts.count - 1]], from: .flag(option.long))
        }
        if let name = option.environment, let text = environment[name], !text.isEmpty {
            let texts = option.isRepeated ? text.split(separator: ",").map(String.init) : [text]
            return try read(option, texts, from: .environment(name))
        }
        if let key = option.configKey, let configuration, let entry = configuration.entry(for: key) {
            try configuration.check(entry, as: option)
            let place = entry.valuePlace.location ?? InputLocation(file: configuration.path, line: 1, column: 1)
            return try read(option, entry.texts, from: .configuration(place))
        }
        let defaultText = option.derivedDefault.map { $0(environment) } ?? option.defaultText
        return try read(option, defaultText.map { [$0] } ?? [], from: .defaultValue)
    }

    private func read(_ option: Option, _ texts: [String], from origin: Origin) throws(Problem) -> ResolvedOption {
        var values: [ReadValue] = []
        for text in texts {
            do throws(Problem) {
                values.append(try option.kind.read(text))
            } catch {
                throw place(error, option: option, origin: origin)
            }
        }
        return ResolvedOption(option: option, texts: texts, values: values, origin: origin)
    }

    /// Adds the option's name or the place in taxi.yaml to what its kind said.
    private func place(_ problem: Problem, option: Option, origin: Origin) -> Problem {
        var placed = problem
        // The text of a secret must not reach a terminal or a log.
        if option.isSecret { placed.message = "the value is not what it should be" }
        switch origin {
        case .flag: placed.message = "option \"--\(option.long)\": " + placed.message
        case .environment(let name): placed.message = "environment variable \(name): " + placed.message
        case .configuration(let location):
            placed.code = .configuration
            placed.location = location
            placed.sourceLine =
                option.isSecret ? nil : configuration?.entry(for: option.configKey ?? "")?.valuePlace.sourceLine
            placed.message = "\"\(option.configKey ?? option.long)\": " + placed.message
        case .defaultValue:
            placed.code = .software
            placed.message = "default of \"--\(option.long)\": " + placed.message
        }
        return placed
    }

    /// Of options that exclude each other, keeps the one whose source is the strongest.
    private func settle(_ names: [String], in resolved: inout [String: ResolvedOption]) throws(Problem) {
        let chosen = names.compactMap { resolved[$0] }.filter { $0.origin != .defaultValue && $0.isChosen }
        guard let rank = chosen.map(\.origin.rank).max() else { return }
        let strongest = chosen.filter { $0.origin.rank == rank }
        guard strongest.count == 1 else {
            let shown = strongest.map { origin in
                if case .flag(let long) = origin.origin {
                    "--\(long)"
                } else {
                    "\(origin.option.long) (\(origin.origin))"
                }
            }
            throw Problem(
                rank == 1 ? .configuration : .usage, "\(shown.joined(separator: " and ")) exclude each other",
                hint: "Give one of \(names.map { "--\($0)" }.joined(separator: ", ")).")
        }
        for name in names where name != strongest[0].option.long {
            guard let loser = resolved[name] else { continue }
            resolved[name] = ResolvedOption(option: loser.option, texts: [], values: [], origin: .defaultValue)
        }
    }
}

extension Problem {
    /// One problem that carries all the others, or nil where there is none.
    static func gathered(_ problems: [Problem]) -> Problem? {
        guard var first = problems.first else { return nil }
        first.others += problems.dropFirst()
        return first
    }
}
