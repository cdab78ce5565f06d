internal import Glibc
internal import Problems

/// Bytes of memory that this process may still take: what the machine has to give, less where a limit of the process or of its control
/// group says so.
func availableMemoryBytes() -> Int {
    var least = Int.max
    if let line = lines(of: "/proc/meminfo").first(where: { $0.hasPrefix("MemAvailable:") }),
        let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    {
        least = kilobytes << 10
    }
    // Of version 2, as a container sees its own; "max" where there is none.
    if let limit = lines(of: "/sys/fs/cgroup/memory.max").first.flatMap({ Int($0) }) { least = min(least, limit) }
    var addresses = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &addresses) == 0 {
        least = min(least, Int(clamping: addresses.rlim_cur))
    }
    return least
}

private func lines(of path: String) -> [Substring] {
    guard let bytes = try? Files.contents(of: path, limitBytes: 1 << 16) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
}
