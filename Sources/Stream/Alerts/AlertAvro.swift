internal import Avro
import Topics
import Time
import Trips

/// Alerts as Avro in Confluent's frame: `taxi.Alert`, the members of the JSON of `{tenant}_alerts`.
///
///     name, query   string
///     window        taxi.AlertWindow: start, end; both timestamp-millis
///     groups        map: by the group's name long, double or string; in JSON these are members beside the others
///     value         double
///     threshold     null or double
///     condition     string
///     workflow      null or string
///     revision      null or long
///
/// Alerts of all queries go to one topic, so that what differs between them is a map and no field: a topic's values have one schema.
enum AlertAvro {
    static let schema: String = {
        let time = #"{"type":"long","logicalType":"timestamp-millis"}"#
        let window =
            #"{"type":"record","name":"AlertWindow","fields":[{"name":"start","type":\#(time)},{"name":"end","type":\#(time)}]}"#
        func optional(_ name: String, _ type: String) -> String {
            #"{"name":"\#(name)","type":["null","\#(type)"],"default":null}"#
        }
        let fields = [
            #"{"name":"name","type":"string"}"#, #"{"name":"query","type":"string"}"#,
            #"{"name":"window","type":\#(window)}"#,
            #"{"name":"groups","type":{"type":"map","values":["long","double","string"]},"default":{}}"#,
            #"{"name":"value","type":"double"}"#, optional("threshold", "double"),
            #"{"name":"condition","type":"string"}"#, optional("workflow", "string"), optional("revision", "long"),
        ]
        let text =
            #"{"type":"record","name":"Alert","namespace":"taxi","fields":[\#(fields.joined(separator: ","))]}"#
        do { return try AvroSchema(text, file: "taxi.Alert").text } catch { preconditionFailure("\(error)") }
    }()

    /// A frame with the alert.
    static func value(of alert: RaisedAlert, schemaID: UInt32) -> [UInt8] {
        var output = OutputBuffer(capacity: 256)
        _ = ConfluentFrame.write(schemaID: schemaID, to: output.reserve(ConfluentFrame.headerLength))
        output.advance(by: ConfluentFrame.headerLength)
        append(alert.plan.name, to: &output)
        append(alert.plan.query, to: &output)
        append(long: alert.windowStartMs, to: &output)
        append(long: alert.raisedMs, to: &output)
        if !alert.groups.isEmpty {
            append(long: Int64(alert.groups.count), to: &output)
            for (name, value) in alert.groups {
                append(name, to: &output)
                append(group: value, to: &output)
            }
        }
        append(long: 0, to: &output)
        append(double: alert.value, to: &output)
        append(alert.plan.condition.leading?.threshold, to: &output) { append(double: $0, to: &$1) }
        append("\(alert.plan.condition)", to: &output)
        append(alert.plan.workflow, to: &output) { append($0, to: &$1) }
        append(alert.revision, to: &output) { append(long: $0, to: &$1) }
        return Array(output.bytes)
    }

    /// A value of the map, behind the number of its type.
    private static func append(group: AlertCondition.Value, to output: inout OutputBuffer) {
        switch group {
        case .text(let text):
            append(long: 2, to: &output)
            append(text, to: &output)
        case .number(let number):
            let whole = Int64(exactly: number)
            append(long: whole == nil ? 1 : 0, to: &output)
            if let whole { append(long: whole, to: &output) } else { append(double: number, to: &output) }
        // Raised alerts have no groups that are null.
        case .null:
            append(long: 2, to: &output)
            append("", to: &output)
        }
    }

    /// One type of a union with null.
    private static func append<Value>(
        _ value: Value?, to output: inout OutputBuffer, _ write: (Value, inout OutputBuffer) -> Void
    ) {
        output.append(value == nil ? 0 : 2)
        if let value { write(value, &output) }
    }

    private static func append(_ text: String, to output: inout OutputBuffer) {
        let bytes = Array(text.utf8)
        append(long: Int64(bytes.count), to: &output)
        output.append(bytes)
    }

    private static func append(double value: Double, to output: inout OutputBuffer) {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(Array($0)) }
    }

    private static func append(long value: Int64, to output: inout OutputBuffer) {
        let place = output.reserve(AvroBinary.maximumLongLength)
        output.advance(by: AvroBinary.write(long: value, to: place) - place)
    }
}
