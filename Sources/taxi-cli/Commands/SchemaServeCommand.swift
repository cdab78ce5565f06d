import CommandLine
import Database
import Foundation
import HTTPServer
import Problems
import SchemaRegistry

enum SchemaServeCommand {
    static let command = Command(
        name: "serve", summary: "serve the tenant's schemas to stock clients, as Confluent's registry does",
        discussion: """
            Serializers and deserializers of Confluent, libserdes, and whatever speaks the same HTTP: subjects, versions, ids, compatibility, modes, \
            contexts. Schemas are Avro, without references to others. An address that other machines reach needs a token (--token-file, or TAXI_TOKEN), \
            which clients give as a bearer token, or as the password of any user. The dashboard serves the same below /t/TENANT/registry. Ctrl-C stops it.
            """,
        examples: [
            Example("taxi-cli schema serve", "schema.registry.url=http://127.0.0.1:8081"),
            Example("curl -s http://127.0.0.1:8081/subjects", "what is registered"),
            Example(
                "taxi-cli schema serve --listen 0.0.0.0:8081 --token-file token --tls-cert cert.pem --tls-key key.pem",
                "for other machines"),
        ],
        options: WatchService.serverOptions("schema", listen: "127.0.0.1:8081") + [
            Option("read-only", configKey: "schema.read-only", help: "nobody registers or deletes through it")
        ], run: run)

    private static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
        let globals = try GlobalOptions(arguments)
        try globals.prepareTenant(arguments.program)
        let token = try WatchService.token(file: arguments.text("token-file"), arguments)
        let tls = try WatchService.tls(certificate: arguments.text("tls-cert"), key: arguments.text("tls-key"))
        let address = try WatchService.address(arguments.text("listen") ?? "", token: token)
        let service = RegistryService(
            LocalRegistry(path: globals.tenantHome.schemasDB),
            AccessRules(isLoopback: address.isLoopback, token: token, hasTLS: tls != nil),
            isReadOnly: arguments.isOn("read-only"))
        Interruption.install()
        var options = HTTPServer.Options(listen: "\(address)")
        options.tls = tls
        options.bodyBytes = RegistryService.bodyLimitBytes
        options.onTooLarge = { _ in RegistryService.tooLarge }
        let server = try HTTPServer(options) { service.answer($0, path: $0.path) }
        try WatchService.warnWithoutTLS(server.address, tls, arguments)
        try arguments.output.writeLine("the registry is at \(tls == nil ? "http" : "https")://\(server.address)")
        try arguments.output.flush()
        while !Interruption.isRequested { usleep(100_000) }
        server.stop()
        return .success
    }
}
