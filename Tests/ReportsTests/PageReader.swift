import Foundation
import FoundationXML

/// Reads a report's page with an XML parser: which charts there are, and the whole values of their tables' cells.
final class PageReader: NSObject, XMLParserDelegate {
    struct Section: Equatable {
        var id: String
        var pictures = 0
        var shapes = 0
        /// Of each table, by its name; the heading first.
        var tables: [String: [[String]]] = [:]
        /// Of the section's own table.
        var rows: [[String]] { tables[id] ?? [] }
    }

    private(set) var sections: [Section] = []
    private var cell: String?
    private var whole: String?
    private var table = ""

    init(_ page: String) throws {
        super.init()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = self
        if !parser.parse() { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
    }

    func section(_ id: String) -> Section? { sections.first { $0.id == id } }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if name == "section" { sections.append(Section(id: attributes["id"] ?? "")) }
        guard let last = sections.indices.last else { return }
        switch name {
        case "svg": sections[last].pictures += 1
        case "path", "rect", "circle": sections[last].shapes += 1
        case "div":
            if let name = attributes["id"], name.hasSuffix("-numbers") { table = String(name.dropLast(8)) }
        case "tr": sections[last].tables[table, default: []].append([])
        case "th", "td": (cell, whole) = ("", attributes["data-v"])
        default: break
        }
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { cell?.append(text) }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        guard name == "td" || name == "th", let cell, let last = sections.indices.last else { return }
        let row = (sections[last].tables[table]?.count ?? 0) - 1
        sections[last].tables[table]?[row].append(whole ?? cell)
        self.cell = nil
    }
}
