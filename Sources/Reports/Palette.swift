/// The colours of a theme.
///
/// Series: Okabe and Ito, "Color Universal Design", 2008, brightened for dark paper. Steps: ColorBrewer's YlGnBu on white, viridis on
/// dark, so that much always stands out from the paper. Both are safe for colour-blind eyes.
struct Palette {
    let paper: String
    let card: String
    let ink: String
    let muted: String
    let grid: String
    let border: String
    /// Categories, at least `seriesCount`.
    let series: [String]
    /// From little to much, `stepCount` of them.
    let steps: [String]

    static let seriesCount = 7
    static let stepCount = 9
    static let fonts = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"

    static let light = Palette(
        paper: "#ffffff", card: "#f6f7f9", ink: "#1b1f24", muted: "#5c6670", grid: "#e3e6ea", border: "#c9ced4",
        series: ["#0072b2", "#d55e00", "#009e73", "#b37a00", "#b8508a", "#3a94cf", "#5f6770"],
        steps: [
            "#f4f8d4", "#e2f2b6", "#c2e6b8", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494", "#081d58",
        ])

    static let dark = Palette(
        paper: "#14171b", card: "#1d2126", ink: "#e8eaed", muted: "#a3acb6", grid: "#2d333a", border: "#454d56",
        series: ["#56b4e9", "#f0834d", "#2fc397", "#e9b03c", "#e094c3", "#8fb8ff", "#aab2bb"],
        steps: [
            "#3b1656", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725",
        ])

    /// The rules of the classes that drawings use.
    var rules: String {
        var text = ".paper{fill:\(paper)}.t{fill:\(ink)}.m{fill:\(muted)}"
        text += ".g{stroke:\(grid);stroke-width:1;fill:none}.x{stroke:\(muted);stroke-width:1;fill:none}"
        text += ".none{fill:\(grid)}.hit{fill:transparent;stroke:none}"
        text +=
            ".b{stroke:\(paper);stroke-width:.8}.ring{stroke:\(ink);stroke-width:1;fill:\(series[1]);fill-opacity:.55}"
        text +=
            ".half{fill-opacity:.45}.band1{fill:\(series[0]);fill-opacity:.18}.band2{fill:\(series[0]);fill-opacity:.32}"
        for (index, colour) in series.enumerated() {
            text +=
                ".f\(index){fill:\(colour)}.k\(index){stroke:\(colour);fill:none;stroke-width:2.2;stroke-linejoin:round}"
        }
        for (index, colour) in steps.enumerated() { text += ".q\(index){fill:\(colour)}" }
        // Behind the strokes, whose fill it takes the place of.
        text += ".o{fill:\(paper);stroke-width:1.6}"
        return text + ".thin{stroke-width:1.3}.d{stroke-dasharray:5 4}"
    }
}
