import Basics
import YAML

/// Which windows a query keeps; all are half-open, `[start, end)`.
public enum WindowSpec: Sendable, Hashable {
    /// One after the other, at multiples of the size since 1970-01-01T00:00Z.
    case tumbling(sizeMs: Int64)
    /// Overlapping ("hopping"), at multiples of `everyMs`; a record lies in `sizeMs / everyMs` of them, a whole number.
    case sliding(sizeMs: Int64, everyMs: Int64)
    /// One for each local day of the tenant's zone: 23 or 25 hours long twice a year.
    case localDay
    /// No window: one state a group for ever.
    case none

    public var isWindowed: Bool { self != .none }
}

extension WindowSpec: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tumbling(let sizeMs): "tumbling \(durationText(ms: sizeMs))"
        case .sliding(let sizeMs, let everyMs): "sliding \(durationText(ms: sizeMs)) every \(durationText(ms: everyMs))"
        case .localDay: "tumbling day"
        case .none: "no window"
        }
    }
}

/// When a query gives out results.
public enum EmitMode: String, Sendable, Hashable, CaseIterable {
    /// With each epoch, every window or group that changed.
    case update
    /// Once a window, when the watermark passes its end.
    case append
    /// With each epoch, the whole result.
    case complete
}
