import Foundation
import FoundationXML

/// Reads a report's page with an XML parser: which charts there are, and the whole values of their tables' cells.
final class PageReader: NSObject, XMLParserDelegate {
    struct Section: Equatable {
        var id: String
        var pictures = 0
        var shapes = 0
        /// The heading first.
        var rows: [[String]] = []
    }

    private(set) var sections: [Section] = []
    private var cell: String?
    private var whole: String?

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
        case "tr": sections[last].rows.append([])
        case "th", "td": (cell, whole) = ("", attributes["data-v"])
        default: break
        }
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { cell?.append(text) }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        guard name == "td" || name == "th", let cell, let last = sections.indices.last else { return }
        sections[last].rows[sections[last].rows.count - 1].append(whole ?? cell)
        self.cell = nil
    }
}
