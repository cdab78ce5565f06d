import Time
internal import Database
internal import Problems
internal import SQLite
internal import SchemaRegistry
internal import Topics

/// Brings the answers of a model into its topic, each once: from the outbox that was written in the transaction which stored them.
///
/// A batch's answers are one append under the name of a producer of their own, with the batch's number as its sequence. Whoever begins takes the
/// name over, sees how far it had come, and sends what is left.
final class AnswerTopic {
    private let model: String
    let topic: String
    private let connection: Connection
    private let writer: any TopicWriter
    private let producer: String
    private let epoch: Int64
    private var last: Int64

    init(_ spec: ModelSpec, _ name: String, _ connection: Connection, _ surroundings: ModelSurroundings) throws {
        let store = try surroundings.openTopics()
        model = spec.name
        topic = "\(surroundings.tenant)_\(name)"
        self.connection = connection
        try AnswerSchema.register(spec, topic: topic, store.schemas)
        try store.requireTopic(topic)
        writer = try store.makeWriter()
        producer = "\(surroundings.tenant)_ml_\(spec.name)"
        let taken = try writer.takeOver(producer: producer)
        epoch = taken.epoch
        last = taken.last?.sequence ?? -1
    }

    /// Puts a batch's messages into the outbox. Inside the transaction that stores its answers.
    func put(_ builder: inout RecordBatchBuilder, of batch: Int64, at now: EventTime) throws {
        let count = builder.count
        guard count > 0 else { return }
        try connection.execute(
            "INSERT INTO stored_ml_outbox VALUES (?, ?, ?, ?, ?, ?)", .text(model), .integer(batch), .text(topic),
            .integer(Int64(count)), .integer(now), .blob(builder.finish()))
    }

    /// Sends what is in the outbox and not in the topic yet.
    func send() throws {
        let waiting = try connection.rows(
            "SELECT batch, topic, count, made_ms, payload FROM stored_ml_outbox WHERE model = ? AND batch > ? ORDER BY batch",
            .text(model), .integer(last)
        ) { row throws(SQLiteError) in
            let time = try row.integer(3, in: .times)
            let batch = PendingBatch(
                topic: try row.storedText(1), partition: 0, count: Int(try row.integer(2, in: 1...1 << 28)),
                times: time...time, encoding: .records, payload: try row.blob(4))
            guard (try? BatchRecords().verify(StoredBatch(batch))) != nil else {
                throw row.damage(4, wanted: "the payload of \(batch.count) records")
            }
            return (number: try row.integer(0, in: .ids), batch: batch)
        }
        for (number, batch) in waiting {
            try writer.append([batch], mark: ProducerMark(producer: producer, epoch: epoch, sequence: number))
            last = number
        }
    }

    /// Takes the messages out of the outbox that are in the topic. Inside a transaction.
    func clear() throws {
        try connection.execute(
            "DELETE FROM stored_ml_outbox WHERE model = ? AND batch <= ?", .text(model), .integer(last))
    }

    /// Whether something is left in the outbox.
    static func hasLeft(_ connection: Connection, _ model: String) throws -> Bool {
        try connection.value("SELECT 1 FROM stored_ml_outbox WHERE model = ? LIMIT 1", .text(model)) != nil
    }
}

/// The schema of a model's answers, by which others may read its topic: a record of Avro, under `{topic}-taxi.ml.{MODEL}` (the strategy
/// TopicRecordName, since several models share a topic).
enum AnswerSchema {
    static func text(_ spec: ModelSpec) -> String {
        func field(_ name: String, _ type: String) -> String {
            #"{"name":"\#(name)","type":["null",\#(type)],"default":null}"#
        }
        var fields = [#"{"name":"model","type":"string"}"#]
        let any = #""boolean","long","double","string""#
        for name in spec.keyNames where isName(name) { fields.append(field(name, any)) }
        for column in spec.schema {
            let type =
                switch column.kind {
                case .real: #""double""#
                case .integer: #""long""#
                case .text: #""string""#
                case .boolean: #""boolean""#
                case .any: any
                }
            fields.append(field(column.name, type))
        }
        return
            #"{"type":"record","name":"\#(recordName(spec))","namespace":"taxi.ml","fields":[\#(fields.joined(separator: ","))]}"#
    }

    static func recordName(_ spec: ModelSpec) -> String { spec.name.replacing("-", with: "_") }

    private static func isName(_ text: String) -> Bool {
        text.utf8.enumerated().allSatisfy { index, byte in
            byte == UInt8(ascii: "_") || (97...122).contains(byte | 0x20) || index > 0 && (48...57).contains(byte)
        } && !text.isEmpty
    }

    /// - Throws: `.badData` where answers of another form are registered that these are not compatible with.
    static func register(_ spec: ModelSpec, topic: String, _ schemas: SchemaCache?) throws(Problem) {
        guard !spec.schema.isEmpty, let registry = schemas?.registry else { return }
        let subject = "\(topic)-taxi.ml.\(recordName(spec))"
        try registry.requireUsable(text(spec), under: subject, registering: true)
        _ = try registry.id(of: text(spec), under: subject, registering: true)
    }
}
