import Basics
import Glibc

/// Maps numbers of a range to pixels, evenly.
struct LinearScale {
    let from: Double
    let to: Double
    let start: Double
    let end: Double

    /// - Parameters:
    ///   - domain: a range without length is widened by one, so that nothing is divided by zero.
    ///   - pixels: may run backwards, as y does.
    init(_ domain: (Double, Double), to pixels: (Double, Double)) {
        (from, to) = domain.0 < domain.1 ? domain : (domain.0, domain.0 + 1)
        (start, end) = pixels
    }

    func callAsFunction(_ value: Double) -> Double { start + (value - from) / (to - from) * (end - start) }
}

/// Maps positive numbers to pixels by their logarithm.
struct LogScale {
    private let scale: LinearScale

    init(_ domain: (Double, Double), to pixels: (Double, Double)) {
        scale = LinearScale(
            (log(max(domain.0, .leastNormalMagnitude)), log(max(domain.1, .leastNormalMagnitude))), to: pixels)
    }

    func callAsFunction(_ value: Double) -> Double { scale(log(max(value, .leastNormalMagnitude))) }
}

/// Round numbers (1, 2 or 5 times a power of ten apart) from the first at or below `from` to the first at or above `to`.
///
/// - Parameter count: about how many steps there should be; 1 or more.
/// - Returns: two or more, rising.
func niceTicks(from: Double, to: Double, count: Int) -> [Double] {
    let span = to > from && to < .infinity ? to - from : max(abs(from), 1)
    let raw = span / Double(max(1, count))
    let power = pow(10, floor(log10(raw)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999_999 } ?? 10 * power
    let first = whole(floor(from / step + 1e-9))
    let last = whole(ceil((from + span) / step - 1e-9))
    return (first...max(last, first + 1)).map { Double($0) * step }
}

/// Which of `count` labels in a row to print, so that not more than `most` stand there: every nth, counted from the last.
func labelled(count: Int, most: Int) -> Set<Int> {
    let every = max(1, (count + max(1, most) - 1) / max(1, most))
    return Set(stride(from: count - 1, through: 0, by: -every))
}

/// The whole part of a number, whatever a view gives: what no chart can show is 0, or a number too large for one.
func whole(_ value: Double) -> Int {
    value.isNaN ? 0 : Int(min(max(value, -1e15), 1e15))
}

/// A number on an axis: `950`, `1.2k`, `35M`.
func shortNumber(_ value: Double) -> String {
    for (unit, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= unit {
        return trimmed(value / unit) + letter
    }
    return trimmed(value)
}

/// At most two decimals, without zeros at the end.
private func trimmed(_ value: Double) -> String {
    var text = fixed(value, decimals: 2)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
}

/// A coordinate of a picture: to a tenth of a pixel.
func coordinate(_ value: Double) -> String {
    let text = fixed(value, decimals: 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
