internal import Glibc
public import Problems
internal import Synchronization

/// What this process may use of a machine on which others work too: its turns at the processors, its records a second, its disk.
///
/// A process that `taxi-cli serve` has started has a socket to it (`descriptorNumber`) and a variable of the environment with its limits; any
/// other has neither, and everything here lets it go on at once.
///
/// Messages are packets of text. From the process: `ready`; `ask SLOTS USED` (the processor time that it has used since the last time, ns),
/// `short SLOTS USED` for a turn that ends by itself soon, `rest USED`, `used USED`, `limited WHAT`, `free`, `at ADDRESS` (where it serves pages).
/// To it: `go`. Where serve is gone, nobody is waited for.
///
/// `@unchecked Sendable`: everything that changes is under `state`.
public final class WorkShare: @unchecked Sendable {
    /// The descriptor that serve gives a process of its own.
    public static let descriptorNumber: Int32 = 3
    /// `PID`, and `records=N` and `disk=BYTES` as far as there are limits, with blanks between.
    public static let variable = "TAXI_SERVE"

    /// Of this process.
    public static let ofProcess = WorkShare()

    private struct State {
        var channel: Int32 = -1
        /// Whether serve counts this process among those that compute, and whether it has to ask before it goes on.
        var isHeld = false
        var isOver = false
        /// Threads within `computing`, and when their turn has to be asked for anew.
        var computing = 0
        var quantumEndNs: Int64 = 0
        var folder: String?
        var stops: @Sendable () -> Bool = { false }
        var limitedNs: Int64 = 0
        var hasTold = false
        /// The processor time of which serve knows; nil before the first turn.
        var usedNs: Int64?
        var limit: RateLimit?
        var shownLimit: String?
        var diskBytes: Int64?
        var nextDiskNs: Int64 = 0
    }
    private let state: Mutex<State>
    /// Held by the thread that waits for the turn of all.
    private let asking = Mutex<Void>(())

    /// One without serve, and so without limits; for tests with them.
    ///
    /// - Parameters:
    ///   - channel: a socket of packets to serve; -1 for none.
    ///   - recordsPerSecond: nil for no limit.
    ///   - diskBytes: nil for no limit.
    public init(
        channel: Int32 = -1, recordsPerSecond: Double? = nil, diskBytes: Int64? = nil, folder: String? = nil
    ) {
        var state = State()
        (state.channel, state.folder) = (channel, folder)
        state.limit = recordsPerSecond.map { RateLimit(perSecond: $0) }
        state.diskBytes = diskBytes
        self.state = Mutex(state)
    }

    /// Takes what serve has left for this process; to be called before it starts another, which must not have it.
    ///
    /// - Parameter environment: of the process; the variable is of this very process, or it is none's.
    public func take(from environment: [String: String]) {
        guard let text = environment[Self.variable] else { return }
        unsetenv(Self.variable)
        let words = text.split(separator: " ")
        guard words.first.flatMap({ Int32($0) }) == getpid() else { return }
        guard fcntl(Self.descriptorNumber, F_SETFD, FD_CLOEXEC) == 0 else { return }
        state.withLock { state in
            state.channel = Self.descriptorNumber
            for word in words.dropFirst() {
                let parts = word.split(separator: "=")
                guard parts.count == 2 else { continue }
                if parts[0] == "records", let rate = Double(parts[1]), rate > 0 {
                    state.limit = RateLimit(perSecond: rate)
                }
                if parts[0] == "disk" { state.diskBytes = Int64(parts[1]) }
            }
        }
    }

    /// Whether there is anything to keep to.
    public var isShared: Bool { state.withLock { $0.channel >= 0 } }

    /// Tells serve that whoever waits for this process may begin; once.
    public func ready() {
        state.withLock { state in
            guard !state.hasTold else { return }
            state.hasTold = true
            send("ready", &state)
        }
    }

    /// Tells serve where this process serves pages.
    public func listens(at address: String) { state.withLock { _ = send("at \(address)", &$0) } }

    /// Says when waits have to end before their time, and which folder is the tenant's.
    public func attend(folder: String? = nil, _ stops: (@Sendable () -> Bool)? = nil) {
        state.withLock { state in
            state.folder = folder ?? state.folder
            state.stops = stops ?? state.stops
        }
    }

    // MARK: Turns

    /// Waits until it is this process's turn to compute; returns at once where it has it.
    ///
    /// - Parameter slots: how many threads will compute.
    public func begin(slots: Int) { begin(slots: slots, word: "ask") }

    private func begin(slots: Int, word: String) {
        let stops: (@Sendable () -> Bool)? = state.withLock { state in
            guard state.channel >= 0, !state.isHeld || state.isOver else { return nil }
            (state.isHeld, state.isOver) = (false, false)
            let used = usedNs(&state)
            return send("\(word) \(slots) \(used)", &state) ? state.stops : nil
        }
        guard let stops else { return }
        while !stops() {
            guard let packet = receive(timeoutMs: 100) else { continue }
            // Empty where serve is gone.
            state.withLock { $0.isHeld = packet == "go" }
            return
        }
    }

    /// A quantum is over: the next `begin` asks anew, and has its place before those that come later.
    public func endQuantum() { state.withLock { $0.isOver = true } }

    /// Runs what computes for long and waits now and then, on any thread: a batch, a statement of SQL. It asks for a turn first, and again each
    /// time that it, or something that it calls, says `pace` after a quantum.
    public func computing<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard isShared, !Self.isComputing else { return try body() }
        Self.isComputing = true
        state.withLock { $0.computing += 1 }
        defer {
            Self.isComputing = false
            let isLast = state.withLock { state in
                state.computing -= 1
                return state.computing == 0
            }
            if isLast { rest() }
        }
        pace()
        return try body()
    }

    /// Between two pieces of work: waits for the next turn where this one is over. Nothing outside of `computing`.
    public func pace() {
        guard Self.isComputing, isQuantumOver else { return }
        asking.withLock { _ in
            // Another thread may have asked for both.
            guard isQuantumOver else { return }
            let slots = state.withLock { state in
                state.isOver = true
                return state.computing
            }
            begin(slots: slots, word: "short")
            state.withLock { $0.quantumEndNs = monotonicNs() + Self.quantumNs }
        }
    }

    /// Half of `Turns.shortNs`: who goes on asks before his turn is taken from him.
    private static let quantumNs = Turns.shortNs / 2

    private var isQuantumOver: Bool {
        state.withLock { $0.channel >= 0 && (!$0.isHeld || monotonicNs() >= $0.quantumEndNs) }
    }

    /// A program that this process had started has ended: what it has used counts as well.
    public func countPrograms() {
        state.withLock { state in
            guard state.channel >= 0 else { return }
            let used = usedNs(&state)
            send("used \(used)", &state)
        }
    }

    private static let threadMark: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Of this thread.
    private static var isComputing: Bool {
        get { pthread_getspecific(threadMark) != nil }
        set { pthread_setspecific(threadMark, UnsafeRawPointer(bitPattern: newValue ? 1 : 0)) }
    }

    /// There is nothing to compute for now: others may.
    public func rest() {
        state.withLock { state in
            guard state.channel >= 0, state.isHeld else { return }
            state.isHeld = false
            let used = usedNs(&state)
            send("rest \(used)", &state)
        }
    }

    /// The processor time of all threads, and of programs that have ended, since the last time this was asked.
    private func usedNs(_ state: inout State) -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        var programs = rusage()
        getrusage(Int32(RUSAGE_CHILDREN.rawValue), &programs)
        let seconds = time.tv_sec + programs.ru_utime.tv_sec + programs.ru_stime.tv_sec
        let microseconds = programs.ru_utime.tv_usec + programs.ru_stime.tv_usec
        let now = Int64(seconds) * 1_000_000_000 + Int64(time.tv_nsec) + Int64(microseconds) * 1000
        defer { state.usedNs = now }
        // How a process comes to begin is nobody's turn: who starts later than others would wait for that as well.
        return now - (state.usedNs ?? now)
    }

    @discardableResult
    private func send(_ text: String, _ state: inout State) -> Bool {
        guard state.channel >= 0 else { return false }
        let bytes = Array(text.utf8)
        while Glibc.send(state.channel, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 {
            if errno == EINTR { continue }
            // Nobody is there any more who could give turns.
            state.channel = -1
            return false
        }
        return true
    }

    /// The next packet: empty where the other side is gone, nil where none has come in time.
    private func receive(timeoutMs: Int32) -> String? {
        let channel = state.withLock { $0.channel }
        guard channel >= 0 else { return "" }
        var wanted = pollfd(fd: channel, events: Int16(POLLIN), revents: 0)
        guard poll(&wanted, 1, timeoutMs) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = recv(channel, &bytes, bytes.count, 0)
        if count > 0 { return String(decoding: bytes[..<count], as: UTF8.self) }
        if count < 0, errno == EINTR { return nil }
        state.withLock { $0.channel = -1 }
        return ""
    }

    // MARK: Limits

    /// Notes that records were taken in.
    public func took(_ records: Int) {
        state.withLock { $0.limit?.take(records, atNs: monotonicNs()) }
    }

    /// How many records may be taken in at once, so that a limit lets through a stream and no bursts.
    public var atOnce: Int {
        state.withLock { state in
            state.limit.map { max(1, Int(min(1e9, $0.perSecond / 20))) } ?? .max
        }
    }

    /// For how long, in ms, no more records may be taken in; 0 where some may. Serve is told whether the limit holds this process back.
    public func waitMs() -> Int {
        state.withLock { state in
            guard let limit = state.limit else { return 0 }
            let now = monotonicNs()
            let wait = limit.waitNs(atNs: now)
            if wait > 0 {
                state.limitedNs = now
                show(rateText(limit.perSecond), &state)
            } else if now - state.limitedNs > Self.shownNs {
                show(nil, &state)
            }
            return Int((wait + 999_999) / 1_000_000)
        }
    }

    /// Waits for so long; sooner where a signal comes.
    public func sleep(ms: Int) { poll(nil, 0, Int32(clamping: ms)) }

    /// Between two records a limit does not hold anybody back.
    private static let shownNs: Int64 = 2_000_000_000

    private func show(_ text: String?, _ state: inout State) {
        guard text != state.shownLimit else { return }
        state.shownLimit = text
        send(text.map { "limited \($0)" } ?? "free", &state)
    }

    /// Sees that the tenant's folder is within its share of the disk; looks at most once a second.
    ///
    /// - Throws: `.tryAgain` where it has more.
    public func requireDisk() throws(Problem) {
        let known: (limit: Int64, folder: String)? = state.withLock { state in
            guard let limit = state.diskBytes, let folder = state.folder else { return nil }
            let now = monotonicNs()
            guard now >= state.nextDiskNs else { return nil }
            state.nextDiskNs = now + 1_000_000_000
            return (limit, folder)
        }
        guard let (limit, folder) = known else { return }
        let used = DiskUse.bytes(in: folder)
        guard used > limit else { return }
        throw DiskUse.problem(folder, used: used, limit: limit)
    }
}

/// A rate as serve.yaml has it.
public func rateText(_ perSecond: Double) -> String {
    perSecond == perSecond.rounded() && perSecond < 1e15 ? "\(Int64(perSecond))/s" : "\(perSecond)/s"
}

func monotonicNs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
