internal import Foundation
internal import Glibc
internal import Problems

/// The workflows of a folder, read anew where their files have changed.
///
/// Files are known by time of change, size and inode, which is one `stat` each; that costs a thousand files a millisecond, and needs no
/// notifications, which not every file system has.
struct FolderWatch {
    private struct Stamp: Equatable {
        var seconds, nanoseconds: Int
        var size: Int64
        var inode: UInt64
        /// Who may write it.
        var owner: UInt32
        var mode: UInt32
    }

    let folder: WorkflowFolder
    private var stamps: [String: Stamp] = [:]
    private var read: [String: Result<WorkflowSpec, Problem>] = [:]
    /// Whether others can put something into the folder.
    private var isRefused = false
    private var shared: Result<SharedSettings, Problem> = .success(SharedSettings())

    init(_ folder: WorkflowFolder) { self.folder = folder }

    /// Reads what has changed.
    ///
    /// - Returns: what is wrong with files that have changed; nil where nothing has changed.
    mutating func look() -> [Problem]? {
        do throws(Problem) { try folder.requireOurs() } catch {
            // Told once; nothing of it counts until it is mended.
            if isRefused { return nil }
            (isRefused, stamps, read) = (true, [:], [:])
            return [error]
        }
        isRefused = false
        var found: [String: Stamp] = [:]
        let sharedPath = "\(folder.path)/\(WorkflowFolder.sharedFile)"
        for name in Files.names(in: folder.path) ?? []
        where WorkflowFolder.isWorkflow(name) || name == WorkflowFolder.sharedFile {
            let path = "\(folder.path)/\(name)"
            found[path] = Self.stamp(path)
        }
        let declared = folder.vocabulary.paths
        for path in declared { found[path] = Self.stamp(path) }
        guard found != stamps else { return nil }
        var problems: [Problem] = []
        if found[sharedPath] != stamps[sharedPath] {
            shared = Result { () throws(Problem) in try folder.shared() }
            if case .failure(let problem) = shared { problems.append(problem) }
            // All may mean something else now.
            read = [:]
        }
        if declared.contains(where: { found[$0] != stamps[$0] }) {
            // A step may name one that was not there before.
            read = read.filter { if case .success = $0.value { true } else { false } }
        }
        for path in found.keys.sorted()
        where path != sharedPath && !declared.contains(path) && (found[path] != stamps[path] || read[path] == nil) {
            let spec = Result { () throws(Problem) in
                let spec = try folder.load(file: path, shared: try? shared.get())
                try spec.requireOurs()
                return spec
            }
            if case .failure(let problem) = spec { problems.append(problem) }
            read[path] = spec
        }
        for path in read.keys where found[path] == nil { read[path] = nil }
        stamps = found
        return problems
    }

    /// The workflows that can run, by name; of two files that give one name the first counts.
    var workflows: [String: WorkflowSpec] {
        var specs: [String: WorkflowSpec] = [:]
        for path in read.keys.sorted() {
            if case .success(let spec)? = read[path], specs[spec.name] == nil { specs[spec.name] = spec }
        }
        return specs
    }

    private static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        // A pipe or a device is no file that somebody wrote, and reading it might never end.
        guard stat(path, &status) == 0, [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else { return nil }
        return Stamp(
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, size: Int64(status.st_size),
            inode: UInt64(status.st_ino), owner: status.st_uid, mode: status.st_mode)
    }
}
