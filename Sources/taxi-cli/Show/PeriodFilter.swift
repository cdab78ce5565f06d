import Batch
import Problems

/// `--period` of `show`.
enum PeriodFilter: Equatable {
    /// The newest period that has rows.
    case last
    case one(Period)

    /// - Throws: `Problem(.usage)` for what is no period.
    init(_ text: String) throws(Problem) {
        switch try PeriodSelection(text) {
        case .last: self = .last
        case .one(let period): self = .one(period)
        case .all:
            throw Problem(.usage, "\"all\" is what you get without --period", hint: "Leave out --period.")
        }
    }
}
