import Database
import Glibc
import Problems

/// Whose the scheduler of a home, or of one tenant, is: a lock on a file, which the system frees however its holder dies. The file says
/// which process it is.
///
/// The scheduler of a whole home has the home's file for itself. Those of single tenants share it, and each has its tenant's file for itself,
/// so there are either one of the home, or one a tenant.
final class ServeLock {
    private var descriptors: [Int32] = []

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
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Problem(
                .create, path, errno, hint: "Choose another place with --home, or change the permissions.")
        }
        guard flock(descriptor, (isAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw Problem(
                .tryAgain, "the scheduler of \(whom) runs already\(holder.map { ", in process \($0)" } ?? "")",
                hint: "One is enough: it sees new workflows by itself.")
        }
        descriptors.append(descriptor)
        ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    /// Whether a scheduler serves the tenant: its own, or that of the home.
    static func isHeld(for tenant: TenantHome) -> Bool {
        isHeld("\(tenant.home)/\(name)") || isHeld("\(tenant.path)/\(name)")
    }

    private static func isHeld(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    private static func holder(_ descriptor: Int32) -> Int32? {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            return Int32(String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first ?? "")
        }
    }
}
