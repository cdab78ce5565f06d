import Glibc

/// How many records a second a paced replay sends, as time goes on: the intended send time of every record.
///
/// The n-th record (from 0) is due when `records(byNs:)` is about to go above n: the first one goes out at once, and of a burst
/// without a base rate every record lies inside the burst.
/// Both directions are computed from the start and never added up, so that hours of replay do not drift.
/// Times are nanoseconds since the shape began; rates are records a second.
public enum RateShape: Sendable, Equatable {
    case constant(Double)
    /// From one rate to another in a straight line; after that the last rate stays.
    case ramp(from: Double, to: Double, overNs: Int64)
    /// Up and down between two rates, beginning at the least one.
    case sine(least: Double, greatest: Double, periodNs: Int64)
    /// `extra` on top of `base` for the first `lengthNs` of every `everyNs`.
    case burst(base: Double, extra: Double, lengthNs: Int64, everyNs: Int64)
}

extension RateShape {
    /// Records a second at an instant.
    public func rate(atNs ns: Int64) -> Double {
        let t = seconds(ns)
        switch self {
        case .constant(let rate): return rate
        case .ramp(let from, let to, let overNs):
            return ns >= overNs ? to : from + (to - from) * t / seconds(overNs)
        case .sine(let least, let greatest, let periodNs):
            return (least + greatest) / 2 - (greatest - least) / 2 * wave(t, seconds(periodNs)).cosine
        case .burst(let base, let extra, let lengthNs, let everyNs):
            return ns % everyNs < lengthNs ? base + extra : base
        }
    }

    /// Records due from the start to an instant: the integral of `rate(atNs:)`.
    ///
    /// Complexity: O(1).
    public func records(byNs ns: Int64) -> Double {
        guard ns > 0 else { return 0 }
        let t = seconds(ns)
        switch self {
        case .constant(let rate): return rate * t
        case .ramp(let from, let to, let overNs):
            let over = seconds(overNs)
            if ns >= overNs { return (from + to) / 2 * over + to * (t - over) }
            return from * t + (to - from) * t * t / (2 * over)
        case .sine(_, _, let periodNs):
            // Whole periods apart, so that the sine's argument stays small.
            let period = seconds(periodNs)
            let (whole, rest) = ns.quotientAndRemainder(dividingBy: periodNs)
            return Double(whole) * sineMean * period + sineRecords(seconds(rest), period)
        case .burst(let base, let extra, let lengthNs, let everyNs):
            let (whole, rest) = ns.quotientAndRemainder(dividingBy: everyNs)
            let inEach = base * seconds(everyNs) + extra * seconds(lengthNs)
            return Double(whole) * inEach + base * seconds(rest) + extra * seconds(min(rest, lengthNs))
        }
    }

    /// When `records(byNs:)` is about to go above `amount`, rounded up to a nanosecond; `Int64.max` where it never does.
    ///
    /// Not falling as `amount` grows. Complexity: O(1); some ten steps of Newton's method for the sine.
    public func dueNs(ofRecord amount: Double) -> Int64 {
        guard amount > 0 else { return 0 }
        switch self {
        case .constant(let rate): return nanoseconds(amount / rate)
        case .ramp(let from, let to, let overNs):
            let over = seconds(overNs)
            let inRamp = (from + to) / 2 * over
            if amount >= inRamp { return nanoseconds(over + (amount - inRamp) / to) }
            // The quadratic formula in the form that loses no digits when the slope is small.
            let root = (from * from + 2 * (to - from) * amount / over).squareRoot()
            return nanoseconds(2 * amount / (from + (root.isNaN ? 0 : root)))
        case .sine(_, _, let periodNs):
            let period = seconds(periodNs)
            let inEach = sineMean * period
            let whole = (amount / inEach).rounded(.down)
            return saturatingAdd(wholePeriods(whole, periodNs), nanoseconds(sineTime(amount - whole * inEach, period)))
        case .burst(let base, let extra, let lengthNs, let everyNs):
            let (length, every) = (seconds(lengthNs), seconds(everyNs))
            let inEach = base * every + extra * length
            var whole = (amount / inEach).rounded(.down)
            var rest = amount - whole * inEach
            // With no base rate the record after a burst's last is the next burst's first, whichever way the division rounded.
            if rest > inEach - 1e-9 { (whole, rest) = (whole + 1, 0) }
            let inBurst = (base + extra) * length
            let t = rest <= inBurst ? rest / (base + extra) : length + (rest - inBurst) / base
            return saturatingAdd(wholePeriods(whole, everyNs), nanoseconds(min(t, every)))
        }
    }
}

// MARK: - The sine's integral and its inverse

extension RateShape {
    private var sineMean: Double {
        guard case .sine(let least, let greatest, _) = self else { return 0 }
        return (least + greatest) / 2
    }

    /// Records in the first `t` seconds of a period.
    private func sineRecords(_ t: Double, _ period: Double) -> Double {
        guard case .sine(let least, let greatest, _) = self else { return 0 }
        return sineMean * t - (greatest - least) / 2 * period / (2 * .pi) * wave(t, period).sine
    }

    /// The inverse of `sineRecords`, by Newton's method kept inside a bracket: at a least rate of 0 the slope vanishes.
    private func sineTime(_ amount: Double, _ period: Double) -> Double {
        guard case .sine(let least, let greatest, _) = self else { return 0 }
        var (low, high) = (0.0, period)
        var t = min(max(amount / sineMean, 0), period)
        for _ in 0..<80 {
            let excess = sineRecords(t, period) - amount
            if excess > 0 { high = t } else { low = t }
            let slope = sineMean - (greatest - least) / 2 * wave(t, period).cosine
            var next = t - excess / slope
            if !(next > low && next < high) { next = (low + high) / 2 }
            if abs(next - t) <= max(1e-10, period * 1e-15) { return next }
            t = next
        }
        return t
    }

    private func wave(_ t: Double, _ period: Double) -> (sine: Double, cosine: Double) {
        let angle = 2 * Double.pi * (t / period)
        return (sin(angle), cos(angle))
    }
}

private func seconds(_ ns: Int64) -> Double { Double(ns) / 1e9 }

/// Rounded up to whole nanoseconds; what is infinite or beyond 292 years is `Int64.max`, "never".
private func nanoseconds(_ seconds: Double) -> Int64 {
    // A billionth of a nanosecond of rounding in the division must not cost a whole one.
    let ns = (seconds * 1e9 - 1e-4).rounded(.up)
    return ns < 9.2e18 ? Int64(max(0, ns)) : .max
}

private func wholePeriods(_ count: Double, _ periodNs: Int64) -> Int64 {
    let ns = count * Double(periodNs)
    return ns < 9.2e18 ? Int64(count) * periodNs : .max
}

private func saturatingAdd(_ a: Int64, _ b: Int64) -> Int64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}
