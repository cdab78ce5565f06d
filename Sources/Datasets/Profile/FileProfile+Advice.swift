import Basics
import Trips

extension FileProfile {
    /// What somebody who is about to replay the file should know, the most important first.
    func makeAdvice() -> [String] {
        var advice: [String] = []
        if rows == 0 { advice.append("no row can be used: nothing would be sent") }
        if rejectedRows > 0 {
            advice.append(
                "\(grouped(rejectedRows)) rows cannot be used: a replay sets them aside in the dead-letter topic, with reason and place"
            )
        }
        if layout.kind == .rideshare {
            advice.append(
                "ride-hailing trips have no taxi, payment type, company or tolls: what counts by these stays empty, and records go round the partitions"
            )
        }
        if layout.missing.contains(where: { $0.header == TripField.startTimestamp.header }) {
            advice.append("there is no start time: only --clock now (the time of sending) or --clock end can be used")
        }
        for missing in layout.missing {
            guard let nearest = missing.nearest else { continue }
            advice.append("column \"\(nearest)\" may be \"\(missing.header)\": rename it in the header if so")
        }
        if rows > 0, times.roundedToMinutes > 1, times.firstStart != nil {
            advice.append(
                "times are rounded to \(times.roundedToMinutes) minutes: use --spread uniform for an even stream instead of bursts"
            )
        }
        if !times.isSorted {
            advice.append("rows are not in order of time: --clock start (or --speed) puts them in order first")
        }
        if findings.repeatedTripIDs > 0 {
            let about = findings.isRepeatedExact ? "" : "about "
            advice.append(
                "\(about)\(grouped(findings.repeatedTripIDs)) rows repeat a Trip ID: they would be counted twice")
        }
        if findings.nullTrips > 0 || findings.fareAbove1000 > 0 {
            advice.append(
                "junk such as trips of 0 miles in 0 seconds or fares above 1,000 dollars is real; --clean standard leaves it out"
            )
        }
        if findings.totalIsNotSum > 0 {
            advice.append(
                "Trip Total differs from the sum of its parts in \(percent(findings.totalIsNotSum)): most often by a fee that has no column; nothing is wrong"
            )
        }
        if let tract = columns.first(where: { $0.name == TripField.pickupTract.name }), tract.empty > 0 {
            advice.append(
                "the pickup's tract is masked in \(percent(tract.empty)): where an area is given, its centroid stands for the place"
            )
        }
        return advice
    }

    func percent(_ part: Int) -> String {
        guard rows > 0 else { return "0 %" }
        let tenths = (part * 1000 + rows / 2) / rows
        return part > 0 && tenths == 0 ? "<0.1 %" : "\(tenths / 10).\(tenths % 10) %"
    }
}
