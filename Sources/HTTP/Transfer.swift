internal import CCurl
internal import Glibc
public import Problems

extension HTTPRequest {
    /// Sends it and waits for the answer, whatever its status; blocks the calling thread.
    ///
    /// - Parameter isStopped: asked about once a second; true ends the transfer.
    /// - Throws: `.configuration` for what is no request, `.unavailable` where nobody answers, or nobody who can be trusted, or in time;
    ///   `.tryAgain` where it was stopped; `.noInput`, `.cannotCreate`, `.inputOutput` for files.
    public func send(isStopped: @escaping () -> Bool = { false }) throws(Problem) -> HTTPResponse {
        try check()
        let transfer = try Transfer(self, isStopped: isStopped)
        return try transfer.run()
    }
}

/// One request under way: a handle of libcurl and what its callbacks read and write, all on one thread.
private final class Transfer {
    /// Once, before the first handle; libcurl has no lock of its own for it.
    private static let fault: String? = taxi_curl_load().map { String(cString: $0) }

    private let request: HTTPRequest
    private let isStopped: () -> Bool
    private let handle: UnsafeMutableRawPointer
    private var list: UnsafeMutablePointer<curl_slist>?
    private let source: Int32
    private let destination: Destination?
    /// What a callback met; it ends the transfer with an error that says less.
    private var failure: Problem?
    private var headers: [HTTPRequest.Header] = []
    private var body: [UInt8] = []
    private var bodyBytes: Int64 = 0
    private var sentBytes: Int64 = 0

    init(_ request: HTTPRequest, isStopped: @escaping () -> Bool) throws(Problem) {
        if let fault = Self.fault {
            throw Problem(
                .unavailable, "libcurl cannot be used: \(fault)", hint: "Install it: apt-get install libcurl4.")
        }
        guard let handle = taxi_curl_easy_init() else {
            throw Problem(.unavailable, "libcurl does not start: out of memory")
        }
        (self.request, self.isStopped, self.handle) = (request, isStopped, handle)
        if case .file(let path) = request.body {
            // A pipe that nobody writes to would not even open otherwise.
            source = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            if source < 0 {
                let number = errno
                destination = nil
                throw Problem(
                    Problem.Code(number, doing: .read), "cannot read \"\(visible(path))\": \(Problem.text(number))")
            }
        } else {
            source = -1
        }
        destination = request.destination.map(Destination.init)
    }

    deinit {
        taxi_curl_easy_cleanup(handle)
        taxi_curl_slist_free_all(list)
        if source >= 0 { close(source) }
    }

    func run() throws(Problem) -> HTTPResponse {
        set(CURLOPT_URL, request.url)
        set(CURLOPT_NOSIGNAL, 1)
        // A key of S3 may well have two dots between slashes.
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: request.connectTimeoutMs))
        if let timeoutMs = request.timeoutMs { set(CURLOPT_TIMEOUT_MS, Int(clamping: max(1, timeoutMs))) }
        if let caFile = request.caFile { set(CURLOPT_CAINFO, caFile) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        try setBody(context)
        try setSignature()
        for header in request.headers { add(header.name, header.value) }
        taxi_curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
        taxi_curl_set_bytes(handle, CURLOPT_WRITEFUNCTION) { bytes, _, count, context in
            Transfer.of(context).take(UnsafeRawBufferPointer(start: bytes, count: count))
        }
        taxi_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        taxi_curl_set_bytes(handle, CURLOPT_HEADERFUNCTION) { bytes, _, count, context in
            Transfer.of(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: count))
        }
        taxi_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        taxi_curl_set_progress(handle) { context, _, _, _, _ in Transfer.of(context).isStopped() ? 1 : 0 }
        taxi_curl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        set(CURLOPT_NOPROGRESS, 0)
        return try perform()
    }

    private func perform() throws(Problem) -> HTTPResponse {
        var text = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
        let code = text.withUnsafeMutableBufferPointer { buffer in
            taxi_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, buffer.baseAddress)
            defer { taxi_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, nil) }
            if let bytes = postedBytes {
                // Not copied: it has to stay until the transfer is over. Without an address libcurl would read from stdin.
                return (bytes + [0]).withUnsafeBytes { padded in
                    taxi_curl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
                    taxi_curl_set_pointer(
                        handle, CURLOPT_POSTFIELDS, UnsafeMutableRawPointer(mutating: padded.baseAddress))
                    return taxi_curl_easy_perform(handle)
                }
            }
            return taxi_curl_easy_perform(handle)
        }
        if let failure { throw failure }
        guard code == CURLE_OK else {
            let detail = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw problem(code, detail.isEmpty ? String(cString: taxi_curl_easy_strerror(code)) : detail)
        }
        let status = taxi_curl_status(handle)
        if (200..<300).contains(status) { try destination?.finish() }
        return HTTPResponse(status: status, headers: headers, body: body, bodyBytes: bodyBytes, sentBytes: sentBytes)
    }

    // MARK: options

    private func set(_ option: CURLoption, _ value: Int) { taxi_curl_set_long(handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) { taxi_curl_set_text(handle, option, value) }

    private func add(_ name: String, _ value: String) {
        // libcurl sends a header without a value only where a semicolon stands for the colon.
        list = taxi_curl_slist_append(list, value.isEmpty ? "\(name);" : "\(name): \(value)") ?? list
    }

    /// The body where it is in memory; an empty one where the method makes a server expect its length.
    private var postedBytes: [UInt8]? {
        switch request.body {
        case .bytes(let bytes): bytes
        case .none: ["POST", "PUT", "PATCH"].contains(request.method) ? [] : nil
        case .file: nil
        }
    }

    private func setBody(_ context: UnsafeMutableRawPointer) throws(Problem) {
        switch request.body {
        case .none where request.method == "HEAD": set(CURLOPT_NOBODY, 1)
        case .none, .bytes: if postedBytes != nil { set(CURLOPT_POST, 1) }
        case .file(let path):
            var status = stat()
            guard fstat(source, &status) == 0 else { throw Problem(.read, path, errno) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw Problem(
                    .noInput, "cannot send \"\(path)\": it is \(Problem.kind(status)), not a plain file",
                    hint: "Write what it gives to a file first, and send that.")
            }
            sentBytes = Int64(status.st_size)
            set(CURLOPT_UPLOAD, 1)
            taxi_curl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(status.st_size))
            taxi_curl_set_bytes(handle, CURLOPT_READFUNCTION) { bytes, size, count, context in
                Transfer.of(context).give(bytes, size * count)
            }
            taxi_curl_set_pointer(handle, CURLOPT_READDATA, context)
        }
        set(CURLOPT_CUSTOMREQUEST, request.method)
    }

    private func setSignature() throws(Problem) {
        guard let signature = request.signature else { return }
        // Before 7.87 libcurl signs no headers but two of its own, and S3 wants more.
        guard taxi_curl_version() >= 0x075700 else {
            throw Problem(
                .unavailable, "this libcurl is too old to sign requests to S3 and SNS",
                hint: "Use libcurl 7.87 or newer; taxi-cli doctor shows which one is here.")
        }
        set(CURLOPT_AWS_SIGV4, "aws:amz:\(signature.region):\(signature.service)")
        set(CURLOPT_USERNAME, signature.credentials.accessKeyID)
        set(CURLOPT_PASSWORD, signature.credentials.secretAccessKey)
        let hash =
            switch request.body {
            case .none: SHA256.hex(of: [])
            case .bytes(let bytes): SHA256.hex(of: bytes)
            case .file(let path): try SHA256.hex(of: source, path: path, isStopped: isStopped)
            }
        // libcurl would hash what it holds in memory, which a file is not.
        add("x-amz-content-sha256", hash)
        if let token = signature.credentials.sessionToken { add("x-amz-security-token", token) }
    }

    // MARK: callbacks

    private static func of(_ context: UnsafeMutableRawPointer?) -> Transfer {
        guard let context else { preconditionFailure("a callback of libcurl came without its transfer") }
        return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    private func give(_ bytes: UnsafeMutablePointer<CChar>?, _ room: Int) -> Int {
        let count = read(source, bytes, room)
        if count >= 0 { return count }
        if case .file(let path) = request.body { failure = Problem(.read, path, errno) }
        return Int(CURL_READFUNC_ABORT)
    }

    /// - Returns: how many bytes were taken; fewer than there are ends the transfer.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        bodyBytes += Int64(bytes.count)
        if let destination, (200..<300).contains(taxi_curl_status(handle)) {
            do throws(Problem) { try destination.write(bytes) } catch {
                failure = error
                return 0
            }
        } else {
            body += bytes.prefix(request.bodyLimitBytes - body.count)
        }
        return bytes.count
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        let line = String(decoding: bytes, as: UTF8.self)
        // What came before was of an interim answer.
        if line.hasPrefix("HTTP/") { headers = [] }
        if let colon = line.firstIndex(of: ":"), !line.hasPrefix("HTTP/"), headers.count < 1000 {
            let value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
            let end = value.lastIndex { !$0.isWhitespace }.map { value.index(after: $0) } ?? value.startIndex
            headers.append(.init(String(line[..<colon]), String(value[..<end])))
        }
        return bytes.count
    }

    // MARK: errors

    private func problem(_ code: CURLcode, _ detail: String) -> Problem {
        let place = request.place
        switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return Problem(.configuration, "\"\(place)\" is no URL: \(detail)")
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
            return Problem(
                .unavailable, "could not connect to \(place): \(detail)", hint: "Check the host, and that it runs.")
        case CURLE_OPERATION_TIMEDOUT: return Problem(.unavailable, "\(place) did not answer in time: \(detail)")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            return Problem(
                .unavailable, "no trusted connection to \(place): \(detail)",
                hint: "Check its certificate, and the certificates of this machine (package ca-certificates).")
        case CURLE_ABORTED_BY_CALLBACK: return Problem(.tryAgain, "the request to \(place) was stopped")
        default: return Problem(.unavailable, "the request to \(place) failed: \(detail)")
        }
    }
}

/// The file that an answer goes to; made when the first byte comes, or the end.
private final class Destination {
    private let path: String
    private var file: FileReplacement?

    init(_ path: String) { self.path = path }

    func write(_ bytes: UnsafeRawBufferPointer) throws(Problem) { try begin().write(bytes) }

    func finish() throws(Problem) {
        // Of an empty answer no byte came.
        try begin().finish()
        file = nil
    }

    private func begin() throws(Problem) -> FileReplacement {
        if let file { return file }
        try HTTPRequest.checkDestination(path)
        let file = try FileReplacement(path, hint: "Its folder has to be there.")
        self.file = file
        return file
    }
}
