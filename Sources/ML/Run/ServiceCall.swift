internal import Foundation
internal import HTTP
internal import Problems
internal import Time
internal import Trips
internal import Workflow

/// What became of the sending of a batch.
enum Outcome: Sendable {
    case answered(Answers, attempts: Int)
    /// The service is there and does not answer this batch: it is set aside.
    case faulty(String, attempts: Int)
    /// The service is not there, or wants something else of us: the batch stays in doubt.
    case away(String, attempts: Int)
    case stopped(attempts: Int)

    var attempts: Int {
        switch self {
        case .answered(_, let attempts), .faulty(_, let attempts), .away(_, let attempts), .stopped(let attempts):
            attempts
        }
    }
}

/// Asks a model's service about one batch, as often as its rule allows.
struct ServiceCall: Sendable {
    private static let answerLimitBytes = 64 << 20

    let spec: ModelSpec
    let service: ModelService
    let headers: SecretHeaders.Filled
    let circuit: Circuit
    let reader: AnswerReader
    let surroundings: ModelSurroundings

    init(
        _ spec: ModelSpec, _ service: ModelService, _ headers: SecretHeaders.Filled, _ circuit: Circuit,
        _ surroundings: ModelSurroundings
    ) {
        (self.spec, self.service, self.headers) = (spec, service, headers)
        (self.circuit, self.surroundings) = (circuit, surroundings)
        reader = AnswerReader(spec, service)
    }

    /// What one request came to.
    enum Attempt {
        case answered(Answers)
        /// - afterMs: when to ask again, where the service says so.
        case away(String, afterMs: Int64?)
        case faulty(String)
        /// Asking again would give the same.
        case refused(String)
        case misdirected(String)
    }

    func send(_ batch: IntendedBatch, isStopped: @escaping @Sendable () -> Bool) -> Outcome {
        var attempts = 0
        while !isStopped() {
            attempts += 1
            let attempt = send(batch, once: isStopped)
            if isStopped(), case .away = attempt { break }
            var afterMs: Int64?
            switch attempt {
            case .answered(let answers):
                circuit.succeed()
                count("success")
                return .answered(answers, attempts: attempts)
            case .refused(let reason):
                circuit.fail(reason, now: surroundings.now())
                count("refused")
                return .faulty(reason, attempts: attempts)
            case .misdirected(let reason):
                circuit.fail(reason, isFinal: true, now: surroundings.now())
                count("refused")
                return .away(reason, attempts: attempts)
            case .faulty(let reason):
                count("faulty")
                if attempts > service.retries.count {
                    circuit.fail(reason, now: surroundings.now())
                    return .faulty(reason, attempts: attempts)
                }
            case .away(let reason, let after):
                count("unavailable")
                circuit.fail(reason, now: surroundings.now())
                if circuit.isOpen || attempts > service.retries.count { return .away(reason, attempts: attempts) }
                afterMs = after
            }
            wait(ms: delayMs(attempts, afterMs), isStopped)
        }
        return .stopped(attempts: attempts)
    }

    private func count(_ outcome: String) { surroundings.count(spec.name, outcome) }

    /// Twice as long each time, and at random between half and all of it, so that many clients do not come back at once.
    private func delayMs(_ attempts: Int, _ afterMs: Int64?) -> Int64 {
        if let afterMs { return min(afterMs, 10 * service.retries.mostMs) }
        let most = min(service.retries.mostMs, service.retries.backoffMs << Int64(min(attempts - 1, 20)))
        return Int64.random(in: max(1, most / 2)...max(1, most))
    }

    private func wait(ms: Int64, _ isStopped: () -> Bool) {
        let until = ContinuousClock.now + .milliseconds(ms)
        while !isStopped(), ContinuousClock.now < until {
            Thread.sleep(forTimeInterval: min(0.05, max(0.001, Double(ms) / 1000)))
        }
    }

    /// One request with all that a server sees of it.
    func request(_ batch: IntendedBatch) -> HTTPRequest {
        var request = HTTPRequest("POST", service.endpoint, body: .bytes(batch.request))
        request.headers = [.init("Content-Type", "application/json"), .init("Accept", "application/json")]
        request.headers.append(.init("Idempotency-Key", batch.key))
        request.headers += headers.headers.map { .init($0.name, $0.value) }
        request.timeoutMs = service.timeoutMs
        request.connectTimeoutMs = min(10_000, service.timeoutMs)
        request.bodyLimitBytes = Self.answerLimitBytes
        return request
    }

    private func send(_ batch: IntendedBatch, once isStopped: @escaping @Sendable () -> Bool) -> Attempt {
        let response: HTTPResponse
        do throws(Problem) { response = try request(batch).send(isStopped: isStopped) } catch {
            return error.code == .configuration ? .misdirected(error.message) : .away(error.message, afterMs: nil)
        }
        return attempt(response, batch)
    }

    /// What an answer to a batch means.
    func attempt(_ response: HTTPResponse, _ batch: IntendedBatch) -> Attempt {
        switch response.status {
        case 200..<300: break
        case 408, 425, 429, 502, 503, 504:
            let afterMs = response["Retry-After"].flatMap { Self.delayMs(asked: $0, now: surroundings.now()) }
            return .away(said(response), afterMs: afterMs)
        case 500..<600: return .faulty(said(response))
        case 300..<400, 401, 403, 404, 405, 407, 410: return .misdirected(said(response))
        default: return .refused(said(response))
        }
        guard response.bodyIsWhole else {
            return .refused("the answer is longer than \(Self.answerLimitBytes >> 20) MiB; make the batch smaller")
        }
        do throws(AnswerFault) {
            return .answered(try reader.read(response.body, rows: batch.rows.count, id: batch.key))
        } catch {
            return .faulty(headers.masked(error.message))
        }
    }

    /// The status, and the first line of what was said with it.
    private func said(_ response: HTTPResponse) -> String {
        let line = headers.masked(response.text).split(whereSeparator: \.isNewline).first.map { ": \($0.prefix(200))" }
        return "the service answered with status \(response.status)\(line ?? "")"
    }

    /// How long `Retry-After` asks to wait: seconds, or until a date; nil where it says neither.
    ///
    /// Source: RFC 9110 §10.2.3.
    static func delayMs(asked text: String, now: EventTime) -> Int64? {
        if let seconds = Int64(text) { return min(max(seconds, 0), 86_400) * 1000 }
        let reader = DateFormatter()
        reader.locale = Locale(identifier: "en_US_POSIX")
        reader.timeZone = TimeZone(identifier: "UTC")
        reader.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return reader.date(from: text).map { date in
            min(max(Int64(date.timeIntervalSince1970 * 1000) - now, 0), 86_400_000)
        }
    }
}
