import CommandLine
import Dashboard
import Foundation
import Problems
import Shares

/// `dashboard`: pages about all tenants of a home, live.
enum DashboardCommand {
    static let command = Command(
        name: "dashboard", summary: "serve pages that show live what runs, how far behind it is, and what came out",
        discussion: """
            Pages of each tenant: what happens now, windows, a map, analytics, workflows, topics, dead letters, schemas and settings; /metrics \
            for Prometheus, /healthz and /readyz, all numbers as JSON below /api, and the registry of schemas below /t/TENANT/registry. It reads what the processes of the home write, and asks \
            none of them: it may be started and stopped at any time. Pages need no network and work without scripts. An address that other \
            machines reach needs a token (--token-file, or TAXI_TOKEN). Ctrl-C stops it.
            """,
        examples: [
            Example("taxi-cli dashboard", "pages at http://127.0.0.1:8787"),
            Example("curl -s http://127.0.0.1:8787/metrics | grep taxi_stream_lag", "what Prometheus reads"),
            Example(
                "taxi-cli dashboard --listen 0.0.0.0:8443 --token-file token --tls-cert cert.pem --tls-key key.pem",
                "for other machines"),
        ],
        options: WatchService.serverOptions("dashboard", listen: "127.0.0.1:8787") + [
            Option(
                "read-only", configKey: "dashboard.read-only",
                help: "without buttons that run, retry or cancel workflows")
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        var options = WatchOptions(version: TaxiCLI.version)
        options.isReadOnly = arguments.isOn("read-only")
        options.token = try WatchService.token(file: arguments.text("token-file"), arguments)
        let tls = try WatchService.tls(certificate: arguments.text("tls-cert"), key: arguments.text("tls-key"))
        options.hasTLS = tls != nil
        let globals = try GlobalOptions(arguments)
        let home = WatchedTenants(globals, arguments, isAll: !globals.isTenantNamed)
        if globals.isTenantNamed { try globals.requireTenant() }
        Interruption.install()
        let service = try WatchService(home, listen: arguments.text("listen") ?? "", options, tls: tls)
        let address = "\(tls == nil ? "http" : "https")://\(service.address)/"
        WorkShare.ofProcess.listens(at: address)
        WorkShare.ofProcess.ready()
        try arguments.output.writeLine("the dashboard is at \(address)")
        try arguments.output.flush()
        while !Interruption.isRequested { usleep(100_000) }
        service.stop()
        return .success
    }
}
