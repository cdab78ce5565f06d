import CommandSupport
import Foundation
import KafkaSupport
import PythonSupport
import Testing

/// Confluent's own Python client, of today and of 2024, with `schema serve` as if that were Confluent's registry.
@Suite struct StockClientTests {
    /// Registers, looks up, produces and consumes; prints how many messages went through Kafka, or "none" without one.
    private static let program = #"""
        import json, sys
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.admin import AdminClient, NewTopic
        from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from confluent_kafka.serialization import MessageField, SerializationContext

        url, servers, topic, token = sys.argv[1:5]
        client = SchemaRegistryClient({"url": url, "basic.auth.user.info": "anybody:" + token})
        def schema(*fields):
            return json.dumps({"type": "record", "name": "Trip", "namespace": "taxi", "fields": list(fields)})
        def field(name, type, **more): return dict(name=name, type=type, **more)
        def code(call):
            try: call()
            except SchemaRegistryError as error: return (error.http_status_code, error.error_code)
        first = schema(field("id", "string"), field("fare", "long"))
        second = schema(field("id", "string"), field("fare", "long"), field("tip", ["null", "long"], default=None))
        worse = schema(field("id", "string"), field("fare", "long"), field("area", "int"))
        context = SerializationContext(topic, MessageField.VALUE)

        old, new = AvroSerializer(client, first), AvroSerializer(client, second)
        values = [old({"id": f"t{i}", "fare": i}, context) for i in range(50)]
        values += [new({"id": f"u{i}", "fare": i, "tip": i}, context) for i in range(50)]
        subject = topic + "-value"
        assert client.get_versions(subject) == [1, 2], client.get_versions(subject)
        assert subject in client.get_subjects()
        latest = client.get_latest_version(subject)
        assert (latest.version, json.loads(latest.schema.schema_str)) == (2, json.loads(second))
        assert client.lookup_schema(subject, Schema(first, "AVRO")).version == 1
        assert int.from_bytes(values[0][1:5], "big") == client.lookup_schema(subject, Schema(first, "AVRO")).schema_id
        assert client.test_compatibility(subject, Schema(second, "AVRO"))
        assert not client.test_compatibility(subject, Schema(worse, "AVRO"))
        assert code(lambda: client.register_schema(subject, Schema(worse, "AVRO"))) == (409, 409)
        assert code(lambda: client.get_latest_version("nobody")) == (404, 40401)
        assert code(lambda: client.get_version(subject, 9)) == (404, 40402)
        assert code(lambda: SchemaRegistryClient({"url": url}).get_subjects()) == (401, 401)
        client.set_compatibility(subject_name=subject, level="NONE")
        assert client.get_compatibility(subject_name=subject) == "NONE"
        client.register_schema(subject, Schema(worse, "AVRO"))
        assert client.delete_version(subject, 3) == 3
        client.register_schema(topic + "-other", Schema(first, "AVRO"))
        assert client.delete_subject(topic + "-other") == [1]
        assert topic + "-other" not in client.get_subjects()

        # A client of its own, which knows no schema yet; what the first schema wrote has no tip.
        reader = AvroDeserializer(SchemaRegistryClient({"url": url, "basic.auth.user.info": "anybody:" + token}), second)
        def check(messages):
            read = [reader(message, context) for message in messages]
            assert sorted(r["id"] for r in read) == sorted([f"t{i}" for i in range(50)] + [f"u{i}" for i in range(50)])
            assert all(r["tip"] == (None if r["id"][0] == "t" else r["fare"]) for r in read)
        check(values)
        if servers == "none":
            print("none")
            sys.exit()
        admin = AdminClient({"bootstrap.servers": servers})
        for made in admin.create_topics([NewTopic(topic, 1, 1)]).values(): made.result(60)
        producer = Producer({"bootstrap.servers": servers})
        failures = []
        for value in values:
            producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error) if error else None)
        assert producer.flush(60) == 0 and not failures, failures
        consumer = Consumer({
            "bootstrap.servers": servers, "group.id": topic, "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 500})
        consumer.subscribe([topic])
        read = []
        while len(read) < 100:
            message = consumer.poll(60)
            assert message is not None
            # The consumer may hear of the topic later than the producer.
            if message.error() and message.error().name() == "UNKNOWN_TOPIC_OR_PART": continue
            assert message.error() is None, message.error()
            read.append(message.value())
        consumer.close()
        check(read)
        print(len(read))
        """#

    /// A registry that is served until the value goes.
    private final class Served {
        let taxi: TaxiCLI
        let server: RunningProgram
        let url: String
        init() throws {
            taxi = try TaxiCLI(environment: ["TAXI_TOKEN": "swordfish-42"])
            server = try taxi.start(["schema", "serve", "--listen", "127.0.0.1:0"])
            let server = server
            try #require(
                eventually(within: 30) { server.text.hasSuffix("\n") || !server.isRunning }, "\(server.errors)")
            url = String(server.text.split(separator: " ").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        }
        deinit { server.signal(SIGTERM) }
    }

    private func run(by interpreter: String?, topic: String) throws {
        let served = try Served()
        let servers = KafkaBroker.isAvailable ? try KafkaBroker.sharedServers() : "none"
        let said = try Python.run(
            Self.program, [served.url, servers, topic, "swordfish-42"], by: #require(interpreter))
        #expect(said == (servers == "none" ? "none\n" : "100\n"))
        // The command line sees what the client has registered.
        let list = try served.taxi.succeed("schema", "list", "--format", "jsonl")
        #expect(list.text.contains("\"subject\":\"\(topic)-value\",\"versions\":2"))
        served.server.signal(SIGTERM)
        #expect(served.server.wait(timeout: 30).code == 0)
    }

    @Test(.enabled(if: Python.clients != nil)) func todaysClientTakesItForConfluents() throws {
        try run(by: Python.clients, topic: "stock-\(UUID().uuidString)")
    }

    @Test(.enabled(if: Python.clientsOf2024 != nil)) func theClientOf2024TakesItForConfluents() throws {
        try run(by: Python.clientsOf2024, topic: "stock-2024-\(UUID().uuidString)")
    }
}
