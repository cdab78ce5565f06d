/// A picture in SVG, drawn element by element.
///
/// Colours are classes (see `Palette`): the page gives them values for its themes, a picture of its own the light ones.
struct Drawing {
    let width: Double
    let height: Double
    private(set) var body = ""

    init(width: Double, height: Double) { (self.width, self.height) = (width, height) }

    enum Anchor: String { case start, middle, end }

    mutating func text(
        _ text: String, x: Double, y: Double, anchor: Anchor = .start, style: String = "t", size: Int = 12,
        rotated: Bool = false
    ) {
        let turn = rotated ? " transform=\"rotate(-90 \(coordinate(x)) \(coordinate(y)))\"" : ""
        body += "<text x=\"\(coordinate(x))\" y=\"\(coordinate(y))\" class=\"\(style)\" font-size=\"\(size)\""
        body += " text-anchor=\"\(anchor.rawValue)\"\(turn)>\(escaped(text))</text>\n"
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) {
        body +=
            "<line x1=\"\(coordinate(x1))\" y1=\"\(coordinate(y1))\" x2=\"\(coordinate(x2))\" y2=\"\(coordinate(y2))\""
        body += " class=\"\(style)\"/>\n"
    }

    /// - Parameter title: what a hover shows; nil for none.
    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, style: String, title: String? = nil
    ) {
        let box =
            "<rect x=\"\(coordinate(x))\" y=\"\(coordinate(y))\" width=\"\(coordinate(max(0, width)))\" height=\"\(coordinate(max(0, height)))\""
        close(box, style: style, title: title, element: "rect")
    }

    mutating func circle(x: Double, y: Double, radius: Double, style: String, title: String? = nil) {
        let circle = "<circle cx=\"\(coordinate(x))\" cy=\"\(coordinate(y))\" r=\"\(coordinate(radius))\""
        close(circle, style: style, title: title, element: "circle")
    }

    mutating func path(_ data: String, style: String, title: String? = nil) {
        close("<path d=\"\(data)\"", style: style, title: title, element: "path")
    }

    /// A line through points, broken where there is none.
    mutating func polyline(_ points: [(x: Double, y: Double)?], style: String, title: String? = nil) {
        var data = ""
        var isDrawing = false
        for point in points {
            guard let point else {
                isDrawing = false
                continue
            }
            data += (isDrawing ? "L" : "M") + "\(coordinate(point.x)) \(coordinate(point.y))"
            isDrawing = true
        }
        if !data.isEmpty { path(data, style: style, title: title) }
    }

    private mutating func close(_ opening: String, style: String, title: String?, element: String) {
        guard let title else {
            body += "\(opening) class=\"\(style)\"/>\n"
            return
        }
        body += "\(opening) class=\"\(style) h\"><title>\(escaped(title))</title></\(element)>\n"
    }
}

extension Drawing {
    /// The element for the page.
    ///
    /// - Parameter label: what a screen reader says.
    func inline(style: String, label: String) -> String {
        "<svg class=\"\(style)\" viewBox=\"0 0 \(coordinate(width)) \(coordinate(height))\" role=\"img\" aria-label=\"\(escaped(label))\">\n\(body)</svg>\n"
    }

    /// A file of its own, with its title and notes above the picture, and a line about its source below.
    func standalone(title: String, notes: [String] = [], source: String = "") -> String {
        let lines = notes.flatMap { folded($0, letters: whole(width / 6.4)) }
        let top = 34.0 + 17 * Double(lines.count) + (lines.isEmpty ? 0 : 4)
        let sources = source.isEmpty ? [] : folded(source, letters: whole(width / 5.8))
        let bottom = sources.isEmpty ? 0 : 12 + 15 * Double(sources.count)
        let full = height + top + bottom
        let above = lines.enumerated().map { index, line in
            "<text x=\"8\" y=\"\(42 + 17 * index)\" class=\"m\" font-size=\"12\">\(escaped(line))</text>\n"
        }.joined()
        let below = sources.enumerated().map { index, line in
            "<text x=\"8\" y=\"\(coordinate(height + top + 16 + 15 * Double(index)))\" class=\"m\" font-size=\"11\">"
                + "\(escaped(line))</text>\n"
        }.joined()
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" width="\(coordinate(width))" height="\(coordinate(full))" \
            viewBox="0 0 \(coordinate(width)) \(coordinate(full))">
            <style>\(Palette.light.rules)svg{font-family:\(Palette.fonts)}</style>
            <rect width="100%" height="100%" class="paper"/>
            <text x="8" y="22" class="t" font-size="16" font-weight="bold">\(escaped(title))</text>
            \(above)<g transform="translate(0 \(coordinate(top)))">
            \(body)</g>
            \(below)</svg>

            """
    }
}

/// A text in lines of at most so many letters, cut at blanks; a longer word has a line of its own.
func folded(_ text: String, letters: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
        if let last = lines.last, last.count + 1 + word.count <= letters {
            lines[lines.count - 1] += " " + word
        } else {
            lines.append(String(word))
        }
    }
    return lines
}

/// Text inside markup or an attribute in double quotes. Control characters, and others that XML cannot hold, become U+FFFD.
package func escaped(_ text: String) -> String {
    var output = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": output += "&amp;"
        case "<": output += "&lt;"
        case ">": output += "&gt;"
        case "\"": output += "&quot;"
        case "\n", "\t": output.unicodeScalars.append(scalar)
        case "\0"..<" ", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": output += "\u{FFFD}"
        default: output.unicodeScalars.append(scalar)
        }
    }
    return output
}
