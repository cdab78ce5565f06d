import Basics

/// Puts the rows of a batch into the body of a request.
struct RequestWriter: Sendable {
    private let wire: ModelService.Wire
    private let model: [UInt8]

    init(_ spec: ModelSpec, _ service: ModelService) {
        (wire, model) = (service.wire, Array(jsonString(spec.name).utf8))
    }

    /// - Parameters:
    ///   - rows: as `RowWriter` writes what is sent of them.
    ///   - id: what the request is called; `kserve-v2` says it again.
    func body(of rows: [[UInt8]], id: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rows.reduce(256) { $0 + $1.count + 1 })
        switch wire {
        case .json(let mapping):
            bytes += "{\"model\":".utf8
            bytes += model
            bytes.append(UInt8(ascii: ","))
            bytes += jsonString(mapping.rows).utf8
            bytes += ":[".utf8
            for (index, row) in rows.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += row
            }
            bytes += "]}".utf8
        case .kserve(let mapping):
            bytes += "{\"id\":".utf8
            bytes += jsonString(id).utf8
            bytes += ",\"inputs\":[".utf8
            for (part, input) in mapping.inputs.enumerated() {
                if part > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "{\"name\":".utf8
                bytes += jsonString(input.name).utf8
                bytes += ",\"shape\":[\(([rows.count] + input.rowShape).map(String.init).joined(separator: ","))]".utf8
                bytes += ",\"datatype\":\"\(input.datatype.rawValue)\",\"data\":[".utf8
                for (index, row) in rows.enumerated() {
                    if index > 0 { bytes.append(UInt8(ascii: ",")) }
                    bytes += Self.part(part, of: row)
                }
                bytes += "]}".utf8
            }
            bytes += "],\"outputs\":[".utf8
            for (index, output) in mapping.outputs.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "{\"name\":".utf8
                bytes += jsonString(output.name).utf8
                bytes.append(UInt8(ascii: "}"))
            }
            bytes += "]}".utf8
        }
        return bytes
    }

    private static func part(_ number: Int, of row: [UInt8]) -> ArraySlice<UInt8> {
        var (start, left) = (0, number)
        while left > 0, let zero = row[start...].firstIndex(of: 0) { (start, left) = (zero + 1, left - 1) }
        return row[start..<(row[start...].firstIndex(of: 0) ?? row.count)]
    }
}
