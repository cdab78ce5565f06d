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

    /// Reads a file of properties: see `PropertyFile`.
    ///
    /// - Throws: `.noInput` where there is no such file, `.noPermission` where it holds a secret and others may read it,
    ///   `.configuration` with the place of each line that is no property.
    public mutating func read(file path: String) throws(Problem) {
        let file = try PropertyFile(path, option: "--broker-config") { key, value in
            KafkaClient.fault(ofProperty: key, value: value).map {
                Problem(.configuration, $0.message, hint: $0.hint)
            }
        }
        for property in file.properties { properties[property.key] = property.value }
        try file.requirePrivate(
            Self.secrets, otherwise: ", or put the secret into the environment: TAXI_BROKER_PASSWORD")
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
