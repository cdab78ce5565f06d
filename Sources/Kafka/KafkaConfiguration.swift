import Foundation
import Glibc
public import Problems

/// How clients reach a cluster: its brokers, and properties of librdkafka by their own names.
public struct KafkaConfiguration: Sendable, Equatable {
    /// `host:port`, commas between several.
    public var servers: String
    /// Laid over what taxi-cli sets by itself; whatever librdkafka knows.
    public var properties: [String: String]

    public init(servers: String, properties: [String: String] = [:]) {
        (self.servers, self.properties) = (servers, properties)
    }

    /// Properties that must not be seen by others.
    static let secrets: Set = [
        "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret",
    ]

    /// Secrets that the environment may hold, so that no file has to.
    public static let environmentNames: KeyValuePairs = [
        "TAXI_BROKER_USER": "sasl.username", "TAXI_BROKER_PASSWORD": "sasl.password",
        "TAXI_BROKER_KEY_PASSWORD": "ssl.key.password",
    ]

    /// Reads a file of properties, one `key=value` a line; blank lines and lines that begin with `#` are passed over.
    ///
    /// - Throws: `.noInput` where there is no such file, `.noPermission` where it holds a secret and others may read it,
    ///   `.configuration` with the place of each line that is no property.
    public mutating func read(file path: String) throws(Problem) {
        let data: [UInt8]
        do throws(Problem) { data = try Files.contents(of: path, limitBytes: 8 << 20) } catch {
            var problem = error
            problem.hint = "Check the path of --broker-config."
            throw problem
        }
        var problems: [Problem] = []
        var holdsSecret = false
        let lines = String(decoding: data, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = parts[0].trimmingCharacters(in: .whitespaces)
            let place = InputLocation(file: path, line: index + 1, column: 1)
            guard parts.count == 2, !key.isEmpty else {
                // The line itself is not shown: it may hold a secret.
                problems.append(
                    Problem(.configuration, "this is no property", at: place, hint: "Write each as key=value."))
                continue
            }
            let value = parts[1].trimmingCharacters(in: .whitespaces)
            if let fault = KafkaClient.fault(ofProperty: key, value: value) {
                problems.append(Problem(.configuration, fault.message, at: place, hint: fault.hint))
            }
            holdsSecret = holdsSecret || Self.secrets.contains(key)
            properties[key] = value
        }
        if var first = problems.first {
            first.others = Array(problems.dropFirst())
            throw first
        }
        guard holdsSecret else { return }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw Problem(
                .noPermission, "\"\(path)\" holds a secret and others may read it",
                hint: "Run chmod 600 \"\(path)\", or put the secret into the environment: TAXI_BROKER_PASSWORD.")
        }
    }

    /// Takes what the environment says over what files say; a user without a mechanism is meant for SASL's PLAIN.
    public mutating func read(environment: [String: String]) {
        for (name, property) in Self.environmentNames {
            if let value = environment[name], !value.isEmpty { properties[property] = value }
        }
        guard properties["sasl.username"] != nil else { return }
        if properties["sasl.mechanism"] == nil, properties["sasl.mechanisms"] == nil {
            properties["sasl.mechanism"] = "PLAIN"
        }
        if properties["security.protocol"] == nil { properties["security.protocol"] = "SASL_PLAINTEXT" }
    }
}
