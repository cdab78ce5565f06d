extension ContinuousClock.Instant {
    /// Whether it is time again for what is done each `interval`; then the instant is the next time.
    mutating func isDue(each interval: Duration) -> Bool {
        let now = ContinuousClock.now
        // Not even this clock is trusted to have been right before: a machine may be put back to an earlier state.
        guard now >= self || self - now > interval else { return false }
        self = now + interval
        return true
    }
}
