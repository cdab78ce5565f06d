import Database
import Problems
import Serve

/// Whose the scheduler of a home, or of one tenant, is.
///
/// The scheduler of a whole home has the home's file for itself. Those of single tenants share it, and each has its tenant's file for itself,
/// so there are either one of the home, or one a tenant.
final class ServeLock {
    private var locks: [HolderLock] = []

    private static let name = ".workflow-serve.lock"

    /// - Parameter tenant: nil for all tenants of the home.
    /// - Throws: `.tryAgain` where another process has it; `.cannotCreate`, `.noPermission`.
    init(home: String, tenant: TenantHome? = nil) throws(Problem) {
        do throws(Problem) {
            try take("\(home)/\(Self.name)", isAlone: tenant == nil, of: "\"\(home)\"")
        } catch {
            // A tenant that is another user's sees nothing of the home: whoever starts its scheduler knows that there is none of the home.
            guard tenant != nil, error.code == .noPermission else { throw error }
        }
        if let tenant {
            try take("\(tenant.path)/\(Self.name)", isAlone: true, of: "tenant \"\(tenant.tenant)\"")
        }
    }

    private func take(_ path: String, isAlone: Bool, of whom: String) throws(Problem) {
        let lock = try HolderLock(
            path: path, isAlone: isAlone, hint: "Choose another place with --home, or change the permissions."
        ) { holder in
            Problem(
                .tryAgain, "the scheduler of \(whom) runs already\(holder.map { ", in process \($0)" } ?? "")",
                hint: "One is enough: it sees new workflows by itself.")
        }
        locks.append(lock)
    }

    /// Whether a scheduler serves the tenant: its own, or that of the home.
    static func isHeld(for tenant: TenantHome) -> Bool {
        FileLock.isHeld(path: "\(tenant.home)/\(name)") || FileLock.isHeld(path: "\(tenant.path)/\(name)")
    }
}
