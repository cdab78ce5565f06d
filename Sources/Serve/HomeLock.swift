public import Problems

/// Whose the services of a home are.
public final class HomeLock {
    private let lock: HolderLock

    /// The folder of serve's own files in a home; no tenant can have its name.
    public static func folder(_ home: String) -> String { "\(home)/.serve" }
    private static func path(_ home: String) -> String { "\(folder(home))/lock" }

    /// Makes serve's folder where it is missing.
    ///
    /// - Throws: `.tryAgain` where another serve has the home; `.cannotCreate`, `.noPermission`.
    public init(home: String) throws(Problem) {
        try Files.makeFolders("\(Self.folder(home))/logs", hint: "Choose another place with --home.")
        lock = try HolderLock(path: Self.path(home)) { holder in
            Problem(
                .tryAgain,
                "the services of \"\(visible(home))\" are run already\(holder.map { ", by process \($0)" } ?? "")",
                hint: holder.map { "One is enough: kill -HUP \($0) makes it read serve.yaml again." })
        }
    }

    /// Whether a process runs the services of a home.
    static func isHeld(home: String) -> Bool { FileLock.isHeld(path: path(home)) }
}
