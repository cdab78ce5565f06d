// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    // Not of release builds: with whole modules the compiler takes imports for unused that are not, by the order of the files.
    .treatAllWarnings(as: .error, .when(configuration: .debug)),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // The check of each access to a class's property costs a tenth of the hot loops; debug builds and so all tests keep it.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// A Swift module of the house, with what it may import: see docs/ARCHITECTURE.md.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// Tests of one module; the name mirrors `Sources`.
func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies,
        swiftSettings: swiftSettings)
}

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "taxi-cli",
    products: [.executable(name: "taxi-cli", targets: ["taxi-cli"])],
    targets: [
        .executableTarget(
            name: "taxi-cli",
            dependencies: [
                "Basics", "Problems", "CommandLine", "Time", "Trips", "Topics", "Database", "Telemetry", "Replay",
                "Stream",
                "Batch",
                "Reports", "Audit", "Datasets", "Avro", "SchemaRegistry", "Export", "Compression",
                "SQLite", "YAML", "Kafka", "Workflow", "Monitoring", "HTTPServer", "Dashboard",
                "Postgres", "Publish", "Shares", "Serve", "ML", "Shipping", "CArguments",
            ],
            swiftSettings: swiftSettings),

        .executableTarget(
            name: "taxi-benchmarks", dependencies: ["Problems", "Time", "Trips", "Topics", "Kafka"],
            path: "Benchmarks/taxi-benchmarks",
            swiftSettings: swiftSettings),

        module("Basics"),
        module("Problems", ["Basics"]),
        module("CommandLine", ["Basics", "Problems", "YAML", "CGetopt"]),
        module("Time", ["Basics", "Problems"]),
        module("Trips", ["Basics", "Problems", "Time", "Avro", "CByteScan", "CMappedFault", "Compression", "CXXHash"]),
        module(
            "Topics",
            [
                "Basics", "Problems", "Avro", "SchemaRegistry", "Time", "Trips", "Telemetry", "SQLite", "Kafka",
                "CXXHash",
            ]),
        module("Database", ["Problems", "Time", "Trips", "SQLite"]),
        module("Telemetry", ["Problems"]),
        module(
            "Monitoring",
            ["Problems", "Time", "Topics", "Database", "ML", "Serve", "Stream", "Telemetry", "SQLite"]),
        module("Replay", ["Problems", "Avro", "SchemaRegistry", "Shares", "Time", "Trips", "Topics", "Telemetry"]),
        module(
            "Stream",
            [
                "Basics", "Problems", "Avro", "SchemaRegistry", "Time", "Trips", "Topics", "Database", "Telemetry",
                "SQLite",
                "YAML",
                "Compression", "Shares",
            ]),
        module("Batch", ["Basics", "Problems", "Time", "Trips", "Database", "SQLite"]),
        module("Reports", ["Basics", "Problems", "Database", "SQLite"]),
        module(
            "Audit",
            [
                "Basics", "Problems", "SchemaRegistry", "Time", "Trips", "Topics", "Database", "Stream", "Batch",
                "SQLite",
            ]),
        module("Datasets", ["Basics", "Problems", "Time", "Trips"]),
        module("Export", ["Basics", "Problems", "Avro", "SchemaRegistry", "Compression", "Time", "Trips", "Topics"]),
        module("Workflow", ["Basics", "Problems", "Time", "Trips", "Database", "SQLite", "YAML", "HTTP"]),

        module("Shares", ["Problems"]),
        module("Serve", ["Basics", "Problems", "Shares", "Database", "CommandLine", "YAML", "CParentDeath"]),
        .target(name: "CParentDeath"),
        .target(name: "CArguments"),

        module(
            "ML",
            [
                "Basics", "Problems", "Time", "Trips", "Database", "Topics", "SchemaRegistry", "SQLite", "YAML", "HTTP",
                "Workflow",
            ]),
        module("Publish", ["Basics", "Problems", "Time", "Trips", "Database", "SQLite", "Postgres"]),

        module("Shipping", ["Problems", "Compression"]),

        module("SQLite", ["Basics", "Problems", "CSQLite"]),
        module("Postgres", ["Basics", "Problems", "CLibpq"]),
        module("Kafka", ["Problems", "Telemetry", "CRdKafka"]),
        module("YAML", ["Basics", "Problems", "CYAML"]),
        module("HTTP", ["Problems", "CCurl"]),
        module(
            "Dashboard",
            [
                "Basics", "Problems", "Time", "Trips", "Topics", "Database", "Stream", "Reports", "Monitoring",
                "Telemetry",
                "HTTPServer",
                "SQLite", "SchemaRegistry",
            ]),
        module("HTTPServer", ["Problems", "CMicrohttpd"]),
        module("Avro", ["Basics", "Problems", "Compression"]),
        module("SchemaRegistry", ["Basics", "Problems", "Avro", "HTTP", "HTTPServer", "SQLite"]),
        module("Compression", ["Problems", "CZstd", "CZlib", "CSnappy"]),
        .target(name: "CByteScan"),
        .target(name: "CMappedFault"),
        .target(name: "CCurl"),
        .target(name: "CLibpq"),
        .target(name: "CMicrohttpd"),
        .systemLibrary(name: "CGetopt"),
        system("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        system("CRdKafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
        system("CYAML", pkgConfig: "yaml-0.1", apt: "libyaml-dev"),
        system("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        system("CSnappy", pkgConfig: "snappy", apt: "libsnappy-dev"),
        system("CXXHash", pkgConfig: "libxxhash", apt: "libxxhash-dev"),

        .target(name: "KafkaSupport", path: "Tests/KafkaSupport", swiftSettings: swiftSettings),
        tests(of: "Basics"),
        tests(of: "Problems"),
        tests(of: "Telemetry", ["Problems"]),
        tests(of: "Monitoring", ["Problems", "Database", "Telemetry"]),
        tests(of: "HTTPServer", ["Problems"]),
        tests(of: "Dashboard", ["Problems", "Database", "HTTPServer", "Monitoring"]),
        .target(
            name: "FuzzSupport", dependencies: ["Basics", "Problems", "YAML"], path: "Tests/FuzzSupport",
            swiftSettings: swiftSettings),
        tests(of: "YAML", ["Basics", "Problems", "FuzzSupport"]),
        tests(of: "HTTP", ["Problems", "ServerSupport"]),
        tests(of: "Compression", ["Basics", "TestSupport", "Problems"]),
        tests(of: "Avro", ["Problems", "PythonSupport"]),
        tests(of: "Shipping", ["Problems"]),
        tests(
            of: "SchemaRegistry",
            [
                "Problems", "Avro", "HTTP", "HTTPServer", "SQLite", "CommandSupport", "FuzzSupport", "KafkaSupport",
                "PythonSupport", "ServerSupport",
            ]),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: swiftSettings),
        .target(name: "PostgresSupport", path: "Tests/PostgresSupport", swiftSettings: swiftSettings),
        tests(of: "Postgres", ["Basics", "Problems", "PostgresSupport"]),
        .target(name: "PythonSupport", path: "Tests/PythonSupport", swiftSettings: swiftSettings),
        tests(of: "CommandLine", ["Problems", "FuzzSupport"]),
        tests(of: "Time", ["Problems"]),
        tests(of: "Trips", ["Basics", "Problems", "Time", "Avro", "Compression", "CByteScan", "PythonSupport"]),
        tests(
            of: "Topics",
            [
                "Basics", "TestSupport", "Problems", "Avro", "SchemaRegistry", "Time", "Trips", "SQLite", "Kafka",
                "KafkaSupport", "PythonSupport",
            ]),
        tests(of: "Database", ["Basics", "TestSupport", "Problems", "Time", "Trips", "SQLite"]),
        tests(of: "Replay", ["Basics", "Problems", "Time", "Trips", "Topics"]),
        tests(
            of: "Stream",
            [
                "Basics", "Problems", "Avro", "Compression", "Shares", "Time", "Trips", "Topics", "Database", "SQLite",
                "Kafka",
                "KafkaSupport",
                "FuzzSupport",
            ]),
        tests(of: "Batch", ["Basics", "Problems", "Time", "Trips", "Database", "SQLite"]),
        tests(of: "Reports", ["Basics", "Problems", "Time", "Trips", "Database", "SQLite"]),
        tests(of: "Audit", ["Basics", "Problems", "Time", "Trips", "Topics", "Database", "Stream", "Batch", "SQLite"]),
        tests(of: "Datasets", ["Basics", "TestSupport", "Problems", "Time", "Trips"]),
        tests(of: "Shares", ["Problems"]),
        tests(of: "Serve", ["Problems"]),
        tests(of: "Export", ["Problems", "Avro", "Compression", "Time", "Trips", "Topics", "PythonSupport"]),
        tests(
            of: "Workflow",
            [
                "Basics", "TestSupport", "Problems", "Time", "Trips", "Database", "SQLite", "YAML", "ServerSupport",
                "FuzzSupport",
            ]),
        tests(
            of: "ML", ["Problems", "Database", "ServerSupport", "SQLite", "Topics"]),
        tests(of: "Kafka", ["Problems", "KafkaSupport", "CommandSupport", "ServerSupport", "SQLite"]),
        .target(
            name: "ServerSupport", dependencies: ["HTTP"], path: "Tests/ServerSupport",
            exclude: ["aws.py", "daemon.py", "web.py"],
            swiftSettings: swiftSettings),
        .testTarget(name: "KafkaFaultTests", swiftSettings: swiftSettings),
        .target(
            name: "CommandSupport", dependencies: ["Basics", "SQLite"], path: "Tests/CommandSupport",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "Basics", "CommandSupport", "KafkaSupport", "ServerSupport", "PythonSupport", "PostgresSupport", "HTTP",
                "SQLite",
                "Topics", "Time", "Trips", "Problems",
            ],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6]
)
