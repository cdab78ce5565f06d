internal import Problems

extension Program.Surroundings {
    /// Says on stderr what went wrong, after what was written to stdout before.
    ///
    /// - Returns: the exit code.
    public func report(_ error: any Error) -> Int32 {
        try? output.flush()
        let problem =
            error as? Problem
            ?? Problem(
                .software, "\(error)", hint: "This should not happen: please report it with the command that led here.")
        let style = terminal.errorStyle
        try? errors.writeLine(style.isEnabled ? colored("\(problem)", style) : "\(problem)")
        return problem.code.rawValue
    }

    /// Colours the words `error:` and `hint:` where they begin a message, and carets.
    private func colored(_ text: String, _ style: Style) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("hint: ") { return style.cyan("hint:") + line.dropFirst(5) }
            if line.hasSuffix("^"), line.allSatisfy({ " |^".contains($0) }) { return style.red(String(line)) }
            guard let range = firstRange(of: "error: ", in: line) else { return String(line) }
            return line[..<range.lowerBound] + style.red("error:") + " " + line[range.upperBound...]
        }.joined(separator: "\n")
    }

    private func firstRange(of part: String, in line: Substring) -> Range<Substring.Index>? {
        line.indices.first { line[$0...].hasPrefix(part) }.map { $0..<line.index($0, offsetBy: part.count) }
    }
}
