extension WorkflowGraph {
    private static let (width, height, gapX, gapY, margin) = (150, 40, 60, 20, 20)

    /// The graph as an SVG picture of its own: levels from left to right, an arrow from each step to those that need it.
    public var svg: String {
        let levels = (nodes.map(\.level).max() ?? 0) + 1
        var places: [String: (x: Int, y: Int)] = [:]
        var filled = Array(repeating: 0, count: levels)
        let longest = max(Self.width, (nodes.map(\.name.count).max() ?? 0) * 8 + 20)
        for node in nodes {
            places[node.name] = (
                Self.margin + node.level * (longest + Self.gapX),
                Self.margin + filled[node.level] * (Self.height + Self.gapY)
            )
            filled[node.level] += 1
        }
        let width = 2 * Self.margin + levels * longest + (levels - 1) * Self.gapX
        let rows = filled.max() ?? 1
        let height = 2 * Self.margin + rows * Self.height + (rows - 1) * Self.gapY
        var text = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
            font-family="system-ui, sans-serif" font-size="13">
            <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
            <path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>
            <rect width="100%" height="100%" fill="#fff"/>

            """
        for node in nodes {
            guard let to = places[node.name] else { continue }
            for need in node.needs {
                guard let from = places[need] else { continue }
                let (x1, y1, x2, y2) = (from.x + longest, from.y + Self.height / 2, to.x, to.y + Self.height / 2)
                let bend = Self.gapX / 2
                text +=
                    "<path d=\"M\(x1) \(y1)C\(x1 + bend) \(y1) \(x2 - bend) \(y2) \(x2) \(y2)\" fill=\"none\" stroke=\"#667\" "
                    + "marker-end=\"url(#tip)\"/>\n"
            }
        }
        for node in nodes {
            guard let (x, y) = places[node.name] else { continue }
            let middle = x + longest / 2
            // Names are letters, digits, - and _, so nothing has to be escaped.
            text += """
                <g><rect x="\(x)" y="\(y)" width="\(longest)" height="\(Self.height)" rx="6" fill="#eef3fb" stroke="#36c"/>\
                <text x="\(middle)" y="\(y + 17)" text-anchor="middle" fill="#123">\(node.name)</text>\
                <text x="\(middle)" y="\(y + 32)" text-anchor="middle" fill="#667" font-size="11">\(node.kind)</text></g>

                """
        }
        return text + "</svg>\n"
    }
}
