import Foundation
import Time
public import Trips

/// How records are printed, one a line.
public enum RecordLines: Sendable, Equatable {
    /// The value as it is; before it, if wanted, headers (`name:value,name:value`) and key, a tab behind each.
    case values(keys: Bool = false, headers: Bool = false)
    /// One JSON object: `{"partition":0,"offset":5,"timestamp":"2024-01-22T19:45:00.000Z","key":"ab","headers":{"reason":"bad_money"},"value":{…}}`.
    ///
    /// A value that is a JSON object stands there as such; other text becomes a string, bytes that are no text `{"base64":"…"}`, and
    /// what is not there null. The same holds for keys and headers.
    case objects

    /// Appends some records of a batch.
    public func append(_ records: BatchRecords, _ range: Range<Int>, to out: inout OutputBuffer) {
        switch self {
        case .values(keys: false, headers: false): records.withLines(range) { out.append($0) }
        case .values(let keys, let headers):
            for index in range {
                if headers {
                    for (place, header) in records.headers(index).enumerated() {
                        out.append((place == 0 ? "" : ",") + header.name + ":")
                        out.append(header.value ?? [])
                    }
                    out.append("\t")
                }
                if keys {
                    out.append(records.key(index) ?? [])
                    out.append("\t")
                }
                records.withLines(index..<index + 1) { out.append($0) }
            }
        case .objects:
            for index in range { appendObject(records, index, to: &out) }
        }
    }

    private func appendObject(_ records: BatchRecords, _ index: Int, to out: inout OutputBuffer) {
        out.append("{\"partition\":")
        out.append(decimal: Int64(records.partition))
        out.append(",\"offset\":")
        out.append(decimal: records.firstOffset + Int64(index))
        out.append(",\"timestamp\":\"")
        out.append(time: records.timestamps[index])
        out.append("\",\"key\":")
        Self.appendText(records.key(index), to: &out)
        out.append(",\"headers\":")
        Self.appendHeaders(records.headers(index), to: &out)
        out.append(",\"value\":")
        records.withValue(index) { value in
            guard let value, JSONObject.isWhole(value) else {
                Self.appendText(value.map { Array($0) }, to: &out)
                return
            }
            // A line feed between the parts of an object is only a blank, and here it would end the line.
            let place = out.reserve(value.count)
            for (at, byte) in value.enumerated() { place[at] = byte < 0x20 ? UInt8(ascii: " ") : byte }
            out.advance(by: value.count)
        }
        out.append("}\n")
    }

    /// Appends headers as a JSON object.
    package static func appendHeaders(_ headers: [TopicRecord.Header], to out: inout OutputBuffer) {
        out.append("{")
        for (place, header) in headers.enumerated() {
            if place > 0 { out.append(",") }
            out.append(jsonString: Array(header.name.utf8))
            out.append(":")
            appendText(header.value, to: &out)
        }
        out.append("}")
    }

    private static func appendText(_ bytes: [UInt8]?, to out: inout OutputBuffer) {
        guard let bytes else {
            out.append("null")
            return
        }
        if String(validating: bytes, as: UTF8.self) != nil {
            out.append(jsonString: bytes)
        } else {
            out.append("{\"base64\":\"" + Data(bytes).base64EncodedString() + "\"}")
        }
    }
}
