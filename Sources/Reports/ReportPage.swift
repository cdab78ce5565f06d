import SQLite

extension Report {
    /// The report as one HTML page that needs nothing else: styles, pictures, numbers and a few lines of script are in it.
    ///
    /// The markup is well-formed XML too, and the script has no `<` or `&`, so that any tool can read the numbers out of the page.
    public var html: String {
        let time = escaped(span.first == span.last ? span.first : "\(span.first) to \(span.last)")
        var page = """
            <!DOCTYPE html>
            <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta name="color-scheme" content="light dark"/>
            <title>Taxi trips of \(escaped(tenant)), \(time)</title>
            <link rel="icon" href="data:,"/>
            <style>\(Self.style)</style>
            </head>
            <body>
            <main>
            <header>
            <h1>Taxi trips of \(escaped(tenant))</h1>
            <p class="lead">\(time) · times in \(escaped(zone)) · made \(escaped(String(made.prefix(16)).replacing("T", with: " ")))</p>
            <dl>
            \(facts.map { "<div><dt>\(escaped($0.name))</dt><dd>\(escaped($0.value))</dd></div>" }.joined(separator: "\n"))
            </dl>
            </header>

            """
        for figure in figures { page += Self.section(figure) }
        for omission in omissions { page += "<p id=\"\(omission.id)\">\(escaped(omission.reason)).</p>\n" }
        page += """
            <footer><p>Made by taxi-cli from the public views of results.db. Boundaries of the community areas: City of Chicago, \
            simplified. This page uses data that has been modified for use from its original source, www.cityofchicago.org, the official \
            website of the City of Chicago. The City of Chicago makes no claims as to the content, accuracy, timeliness, or completeness \
            of any of the data provided here. The data is subject to change at any time. It is understood that the data is being used at \
            one's own risk.</p></footer>
            </main>
            <div id="tip" hidden="hidden"></div>
            <script>\(Self.script)</script>
            </body>
            </html>

            """
        return page
    }

    private static func section(_ figure: Figure) -> String {
        """
        <section id="\(figure.id)">
        <h2>\(escaped(figure.title))</h2>
        <p>\(escaped(figure.note))</p>\(figure.remark.map { "\n<p>\(escaped($0))</p>" } ?? "")\(figure.warning.map { "\n<p><strong>\(escaped($0))</strong></p>" } ?? "")
        \(figure.wide.inline(style: "wide", label: figure.title))\(figure.narrow.inline(style: "narrow", label: figure.title))\
        \(figure.tables.map { details($0.id, $0.id == figure.id ? "The numbers" : $0.title, $0.table) }.joined())\
        </section>

        """
    }

    private static func details(_ id: String, _ title: String, _ table: ReportTable) -> String {
        """
        <details>
        <summary>\(escaped(title)): \(table.rows.count) row\(table.rows.count == 1 ? "" : "s")</summary>
        <p><a class="csv" href="#\(id)-numbers" download="\(id).csv">Download as CSV</a></p>
        <div class="scroll" id="\(id)-numbers">
        \(Self.table(table))</div>
        </details>

        """
    }

    private static func table(_ table: ReportTable) -> String {
        var text = "<table>\n<thead><tr>"
        for column in table.columns { text += "<th\(column.kind == .text ? "" : " class=\"n\"")>\(column.name)</th>" }
        text += "</tr></thead>\n<tbody>\n"
        for row in table.rows {
            text += "<tr>"
            for (value, column) in zip(row, table.columns) { text += cell(value, column.kind) }
            text += "</tr>\n"
        }
        return text + "</tbody>\n</table>\n"
    }

    /// What is shown may be rounded; then the whole value stands beside it, and the download takes that.
    private static func cell(_ value: SQLValue, _ kind: ReportTable.Kind) -> String {
        let (shown, plain) = (ReportTable.shown(value, kind), ReportTable.plain(value, kind))
        let style = kind == .text ? "" : " class=\"n\""
        let whole = shown == plain ? "" : " data-v=\"\(escaped(plain))\""
        return "<td\(style)\(whole)>\(escaped(shown))</td>"
    }

    // MARK: Style

    private static func theme(_ palette: Palette) -> String {
        "html{background:\(palette.paper);color:\(palette.ink)}.lead,section>p,footer,dt,th{color:\(palette.muted)}"
            + "section,dl div{background:\(palette.card);border-color:\(palette.border)}"
            + "th,td{border-color:\(palette.grid)}thead th{background:\(palette.card)}a{color:\(palette.series[0])}"
            + "#tip{background:\(palette.ink);color:\(palette.paper)}"
            // Pictures lie on cards, so the gaps between their shapes have the card's colour.
            + palette.rules + ".b{stroke:\(palette.card)}.o{fill:\(palette.card)}"
    }

    private static let style = """
        *{box-sizing:border-box}
        html{font:16px/1.5 \(Palette.fonts);-webkit-text-size-adjust:100%}
        body{margin:0}
        main{max-width:940px;margin:0 auto;padding:24px 16px 48px}
        h1{font-size:1.7rem;line-height:1.2;margin:0}
        h2{font-size:1.2rem;margin:0 0 4px}
        p{margin:0 0 10px}
        section>p{font-size:.9rem}
        dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:16px 0}
        dl div{border:1px solid;border-radius:10px;padding:10px 14px}
        dt{font-size:.8rem}
        dd{margin:0;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
        section{border:1px solid;border-radius:12px;padding:18px;margin:18px 0}
        svg{display:block;width:100%;height:auto;font-family:\(Palette.fonts)}
        .h:hover{filter:brightness(1.12)}
        .hit.h:hover{fill:currentColor;fill-opacity:.07;filter:none}
        .narrow{display:none}
        details{margin-top:12px}
        summary{cursor:pointer;font-size:.9rem}
        .scroll{overflow:auto;max-height:440px}
        table{border-collapse:collapse;font-size:.8rem;font-variant-numeric:tabular-nums;white-space:nowrap}
        th,td{padding:3px 10px;border-bottom:1px solid;text-align:left}
        th{font-weight:500;position:sticky;top:0}
        .n{text-align:right}
        footer{font-size:.75rem;margin-top:24px}
        #tip{position:fixed;z-index:1;pointer-events:none;padding:5px 9px;border-radius:6px;font-size:.8rem;line-height:1.35;max-width:300px}
        \(theme(.light))
        @media screen and (prefers-color-scheme: dark){\(theme(.dark))}
        @media (max-width:640px){main{padding:16px 10px 32px}section{padding:14px 10px}.wide{display:none}.narrow{display:block}h1{font-size:1.4rem}}
        @media print{main{max-width:none;padding:0}section{break-inside:avoid;border:0;padding:8px 0}details,#tip{display:none}section,dl div{background:none}
        *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
        """

    // MARK: Script

    /// Hover values: titles become a box beside the pointer, which phones show at a touch. Downloads: CSV out of the table's cells.
    private static let script = """
        (function () {
          'use strict';
          var tip = document.getElementById('tip');
          document.querySelectorAll('.h').forEach(function (shape) {
            var title = shape.querySelector('title');
            shape.setAttribute('aria-label', title.textContent);
            shape.dataset.t = title.textContent;
            title.remove();
          });
          function show(event) {
            var shape = event.target.closest ? event.target.closest('.h') : null;
            tip.hidden = !shape;
            if (!shape) { return; }
            tip.textContent = shape.dataset.t;
            var box = tip.getBoundingClientRect();
            tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + 'px';
            tip.style.top = Math.max(4, event.clientY - box.height - 12) + 'px';
          }
          document.addEventListener('pointermove', show);
          document.addEventListener('pointerdown', show);
          document.addEventListener('scroll', function () { tip.hidden = true; }, true);
          function field(cell) {
            var text = cell.dataset.v === undefined ? cell.textContent : cell.dataset.v;
            // No spreadsheet may take a text for a formula.
            if (/^[=+@\\t\\r-][^]/.test(text)) { text = isNaN(text) ? "'" + text : text; }
            return /[",\\r\\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
          }
          document.querySelectorAll('a.csv').forEach(function (link) {
            link.addEventListener('click', function () {
              var rows = Array.from(link.closest('details').querySelectorAll('tr'));
              var text = rows.map(function (row) { return Array.from(row.cells).map(field).join(',') + '\\r\\n'; }).join('');
              link.href = 'data:text/csv;charset=utf-8,' + encodeURIComponent(text);
            });
          });
        })();
        """
}
