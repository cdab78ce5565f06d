import CommandLine
import Dashboard
import Foundation
import Glibc
import HTTPServer
import Problems

/// A web server beside a command: `/metrics` and the health addresses, or a whole dashboard.
final class WatchService {
    static let listenOption = Option(
        "listen", value: .value("HOST:PORT"), kind: .custom(checkAddress),
        help: "serve /metrics, /healthz and /readyz there while it runs; an address that others reach needs TAXI_TOKEN",
        group: "Watching")

    private let server: HTTPServer
    private let watch: WatchServer
    var address: ListenAddress { server.address }

    static func checkAddress(_ text: String) throws(Problem) { _ = try ListenAddress(text) }

    /// Serves metrics and health where `--listen` says; nil where it is not given.
    static func beside(
        _ globals: GlobalOptions, _ arguments: ParsedArguments, isAll: Bool = false
    ) throws -> WatchService? {
        guard let listen = arguments.text("listen") else { return nil }
        var options = WatchOptions(version: TaxiCLI.version)
        options.isMetricsOnly = true
        options.token = try token(file: nil, arguments)
        let service = try WatchService(
            WatchedTenants(globals, arguments, isAll: isAll), listen: listen, options, tls: nil)
        try arguments.say("metrics are at http://\(service.address)/metrics")
        return service
    }

    /// - Throws: `.usage` where others would reach the server and nobody has to know anything; as `HTTPServer.init`.
    init(_ home: WatchedTenants, listen: String, _ options: WatchOptions, tls: (certificate: String, key: String)?)
        throws
    {
        let address = try Self.address(listen, token: options.token)
        let watch = WatchServer(home, options: options, isLoopback: address.isLoopback)
        self.watch = watch
        var server = HTTPServer.Options(listen: listen)
        server.tls = tls
        server.onTooLarge = WatchServer.tooLarge
        self.server = try HTTPServer(server) { watch.answer($0) }
        watch.start()
        try Self.warnWithoutTLS(self.server.address, tls, home.arguments)
    }

    func stop() {
        watch.stop()
        server.stop()
    }

    // MARK: What all servers have

    /// Where a server listens, who may ask, and its certificate.
    ///
    /// - Parameter key: the command's part of taxi.yaml.
    static func serverOptions(_ key: String, listen: String) -> [Option] {
        [
            Option(
                "listen", value: .value("HOST:PORT"), kind: .custom(checkAddress), default: listen,
                configKey: "\(key).listen", help: "where to listen; port 0 takes a free one"),
            Option(
                "token-file", value: .value("FILE"), kind: .file, configKey: "\(key).token-file",
                help: "a file with the token that clients have to know, which nobody else may read"),
            Option(
                "tls-cert", value: .value("FILE"), kind: .file, configKey: "\(key).tls-cert",
                help: "a certificate in PEM, with those that lead to its root"),
            Option(
                "tls-key", value: .value("FILE"), kind: .file, configKey: "\(key).tls-key", help: "its key in PEM"),
        ]
    }

    /// - Throws: `.usage` for an address that others reach where they need to know nothing.
    static func address(_ listen: String, token: String?) throws(Problem) -> ListenAddress {
        let address = try ListenAddress(listen)
        guard address.isLoopback || token != nil else {
            throw Problem(
                .usage, "\(address) can be reached from other machines, and no token is set",
                hint: "Set TAXI_TOKEN or give --token-file, or listen at 127.0.0.1 behind a proxy that knows its users."
            )
        }
        return address
    }

    static func warnWithoutTLS(
        _ address: ListenAddress, _ tls: (certificate: String, key: String)?, _ arguments: ParsedArguments
    ) throws {
        guard !address.isLoopback, tls == nil else { return }
        try arguments.say(
            "warning: \(address) goes without TLS: who listens on the way reads the token; give --tls-cert and --tls-key"
        )
    }

    /// The certificate and key in the files that were given.
    static func tls(certificate: String?, key: String?) throws(Problem) -> (certificate: String, key: String)? {
        if certificate == nil, key == nil { return nil }
        guard let certificate, let key else {
            throw Problem(.usage, "a certificate and its key go together", hint: "Give both --tls-cert and --tls-key.")
        }
        func read(_ path: String) throws(Problem) -> String {
            let text = String(decoding: try Files.contents(of: path, limitBytes: 1 << 20), as: UTF8.self)
            guard text.contains("-----BEGIN ") else {
                throw Problem(
                    .configuration, "\"\(visible(path))\" holds no PEM",
                    hint: "It has to begin with a line such as -----BEGIN CERTIFICATE-----.")
            }
            return text
        }
        return (try read(certificate), try read(key))
    }

    /// The token: of a file that nobody else may read, or of `TAXI_TOKEN`; nil where neither is given.
    static func token(file: String?, _ arguments: ParsedArguments) throws(Problem) -> String? {
        guard let file else { return arguments.environment["TAXI_TOKEN"].flatMap { $0.isEmpty ? nil : $0 } }
        var status = stat()
        guard stat(file, &status) == 0 else { throw Problem(.read, file, errno) }
        guard status.st_mode & 0o077 == 0 else {
            throw Problem(
                .noPermission, "others may read the token in \"\(visible(file))\"", hint: "chmod 600 \(shellWord(file))"
            )
        }
        let text = String(decoding: try Files.contents(of: file, limitBytes: 4096), as: UTF8.self)
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard token.utf8.count >= 8 else {
            throw Problem(
                .configuration, "the token in \"\(visible(file))\" is shorter than 8 characters",
                hint: "Make one: head -c 24 /dev/urandom | base64 > \(shellWord(file))")
        }
        return token
    }
}
