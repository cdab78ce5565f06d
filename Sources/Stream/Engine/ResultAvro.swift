internal import Avro
import Problems
import Topics
import Time
import Trips

/// The messages of a query as Avro in Confluent's frame, a record each.
///
///     taxi.NAME   window    taxi.Window: start, end; both timestamp-millis. Of queries with windows.
///                 groups    long, string, or date for the day
///                 results   long, or decimal(18, places) as bytes
///                 revision  long: how often the window had results, from the second time on
///                 withdrawn boolean: true for a row that is not there any more.
///
/// Each but the window is in a union with null, which is its default: columns may come and go, and readers of both kinds go on.
enum ResultAvro {
    /// - Throws: `.configuration` where a name is taken twice: in JSON both members would stand there, and nobody knew which counts.
    static func schema(of plan: QueryPlan) throws(Problem) -> String {
        var fields: [String] = []
        if plan.window.isWindowed {
            let time = #"{"type":"long","logicalType":"timestamp-millis"}"#
            fields.append(
                #"{"name":"window","type":{"type":"record","name":"Window","fields":[{"name":"start","type":\#(time)},{"name":"end","type":\#(time)}]}}"#
            )
        }
        for column in MessageBuilder.columns(of: plan) {
            if let type = type(of: column) { fields.append(field(column.name, type)) }
        }
        fields.append(field(MessageBuilder.revision, #""long""#))
        fields.append(field(MessageBuilder.withdrawn, #""boolean""#))
        let text =
            #"{"type":"record","name":"\#(plan.name)","namespace":"taxi","fields":[\#(fields.joined(separator: ","))]}"#
        do throws(Problem) { return try AvroSchema(text, file: "query \(plan.name)").text } catch {
            throw Problem(
                .configuration, "the results of query \"\(plan.name)\" are no record of Avro: \(error.message)",
                hint: "Declare it with other names, or leave --format avro out.")
        }
    }

    private static func field(_ name: String, _ type: String) -> String {
        #"{"name":"\#(name)","type":["null",\#(type)],"default":null}"#
    }

    /// nil for what the window has.
    private static func type(of column: ResultColumns.Column) -> String? {
        switch column.kind {
        case .windowStart, .windowEnd, .startOffset, .endOffset: nil
        case .text: #""string""#
        case .day: #"{"type":"int","logicalType":"date"}"#
        case .flag: #""boolean""#
        case .number where column.decimals == 0: #""long""#
        case .number: #"{"type":"bytes","logicalType":"decimal","precision":18,"scale":\#(column.decimals)}"#
        }
    }

    /// The payload of a batch of records.
    ///
    /// - Parameter newest: the time of messages that have no window.
    static func payload(_ messages: ResultColumns, schemaID: UInt32, newest: EventTime) -> [UInt8] {
        let times = messages.timestamps(newest: newest)
        let last = [MessageBuilder.revision, MessageBuilder.withdrawn]
        // Most messages have neither.
        let lastColumns = last.map { name in messages.columns.first { $0.name == name } }
        var output = OutputBuffer(capacity: 1 << 10)
        var batch = RecordBatchBuilder(capacity: messages.count * 64)
        for row in 0..<messages.count {
            output.removeAll()
            _ = ConfluentFrame.write(schemaID: schemaID, to: output.reserve(ConfluentFrame.headerLength))
            output.advance(by: ConfluentFrame.headerLength)
            for column in messages.columns where !last.contains(column.name) { append(column, row, to: &output) }
            for column in lastColumns {
                if let column { append(column, row, to: &output) } else { output.append(0) }
            }
            let value = UnsafeRawBufferPointer(output.bytes)
            if let key = messages.key(row: row) {
                key.withUnsafeBytes { batch.append(key: $0, value: value, timestamp: times[row]) }
            } else {
                batch.append(key: nil, value: value, timestamp: times[row])
            }
        }
        return batch.finish()
    }

    private static func append(_ column: ResultColumns.Column, _ row: Int, to output: inout OutputBuffer) {
        let cell = column.cells[row]
        switch column.kind {
        case .startOffset, .endOffset: return
        case .windowStart, .windowEnd: break
        case .text, .day, .number, .flag:
            // The number of a union's type: null, or the other.
            output.append(cell == nullCell ? 0 : 2)
            if cell == nullCell { return }
        }
        if column.kind == .text {
            let text = column.texts[Int(cell)]
            append(long: Int64(text.count), to: &output)
            return output.append(text)
        }
        if column.kind == .flag { return output.append(cell == 0 ? 0 : 1) }
        guard column.kind == .number, column.decimals > 0 else { return append(long: cell, to: &output) }
        let place = output.reserve(AvroBinary.maximumDecimalLength)
        output.advance(by: AvroBinary.write(decimal: cell, to: place) - place)
    }

    private static func append(long value: Int64, to output: inout OutputBuffer) {
        let place = output.reserve(AvroBinary.maximumLongLength)
        output.advance(by: AvroBinary.write(long: value, to: place) - place)
    }
}
