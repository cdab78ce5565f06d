internal import Glibc
internal import Problems

/// What the program's three streams are connected to, looked at once at the start.
public struct Terminal: Sendable {
    public var inputIsTerminal: Bool
    public var outputIsTerminal: Bool
    public var errorIsTerminal: Bool
    /// Columns; 80 where nothing says otherwise.
    public var width: Int
    /// Whether colours are wanted at all; a stream that is no terminal gets none in any case.
    public var allowsColor: Bool

    /// A terminal of a given size, for tests; by default no terminal at all.
    public init(
        inputIsTerminal: Bool = false, outputIsTerminal: Bool = false, errorIsTerminal: Bool = false, width: Int = 80,
        allowsColor: Bool = false
    ) {
        (self.inputIsTerminal, self.outputIsTerminal) = (inputIsTerminal, outputIsTerminal)
        (self.errorIsTerminal, self.width, self.allowsColor) = (errorIsTerminal, width, allowsColor)
    }

    /// The streams of this process. `NO_COLOR` (set to anything) and `TERM=dumb` switch colours off; `COLUMNS` sets the width.
    public static func current(environment: [String: String]) -> Terminal {
        let columns = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        return Terminal(
            inputIsTerminal: isatty(STDIN_FILENO) == 1, outputIsTerminal: isatty(STDOUT_FILENO) == 1,
            errorIsTerminal: isatty(STDERR_FILENO) == 1,
            width: columns ?? windowWidth(STDOUT_FILENO) ?? windowWidth(STDERR_FILENO) ?? 80,
            allowsColor: (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb")
    }

    /// How text for stdout is coloured.
    public var outputStyle: Style { Style(isEnabled: allowsColor && outputIsTerminal) }
    /// How text for stderr is coloured.
    public var errorStyle: Style { Style(isEnabled: allowsColor && errorIsTerminal) }

    private static func windowWidth(_ descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}

/// Colours and weights of terminal text; does nothing where they are not wanted.
///
/// What it gives is for a `TextWriter`, which alone makes escape sequences of it: those of data never get through.
public struct Style: Sendable {
    public var isEnabled: Bool
    public init(isEnabled: Bool) { self.isEnabled = isEnabled }
    public static let plain = Style(isEnabled: false)

    public func bold(_ text: String) -> String { wrap(text, "1") }
    public func dim(_ text: String) -> String { wrap(text, "2") }
    public func red(_ text: String) -> String { wrap(text, "31") }
    public func green(_ text: String) -> String { wrap(text, "32") }
    public func yellow(_ text: String) -> String { wrap(text, "33") }
    public func cyan(_ text: String) -> String { wrap(text, "36") }

    private func wrap(_ text: String, _ code: String) -> String {
        let escape = VisibleText.escape
        return isEnabled ? "\(escape)[\(code)m\(text)\(escape)[0m" : text
    }
}
