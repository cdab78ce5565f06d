internal import Glibc
public import Problems

/// What a tenant's folder takes of the disk.
public enum DiskUse {
    /// The blocks of all files below a folder; what cannot be looked at counts for nothing.
    public static func bytes(in folder: String) -> Int64 {
        var total: Int64 = 0
        for name in Files.names(in: folder) ?? [] {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            total += Int64(status.st_blocks) * 512
            if status.st_mode & S_IFMT == S_IFDIR { total += bytes(in: path) }
        }
        return total
    }

    /// That the share is full.
    public static func problem(_ folder: String, used: Int64, limit: Int64) -> Problem {
        Problem(
            .tryAgain,
            "\"\(visible(folder))\" takes \(text(used)) of the disk, and its tenant may have \(text(limit))",
            hint: "Remove what is not needed any more, or give it more: limits: {disk: …} in serve.yaml.")
    }

    /// Bytes in powers of 1000, with as many digits as tell them apart.
    public static func text(_ bytes: Int64) -> String {
        var (value, unit) = (Double(bytes), 0)
        let units = ["B", "kB", "MB", "GB", "TB"]
        while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        let tenths = (value * 10).rounded() / 10
        return (tenths == tenths.rounded() ? "\(Int64(tenths))" : "\(tenths)") + " \(units[unit])"
    }
}
