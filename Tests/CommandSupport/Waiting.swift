import Foundation

/// Looks again each few milliseconds until `condition` holds: for what another process does, which nothing else tells us.
///
/// - Returns: whether it held within `seconds`.
package func eventually(within seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while Date() < deadline {
        if try condition() { return true }
        usleep(5_000)
    }
    return try condition()
}
