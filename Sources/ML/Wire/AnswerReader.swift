/// Reads the answer to a batch: one result a row, each field of its declared kind.
struct AnswerReader: Sendable {
    private let wire: ModelService.Wire
    private let fields: [AnswerField]
    /// Names that the key has already.
    private let keyNames: [[UInt8]]

    init(_ spec: ModelSpec, _ service: ModelService) {
        wire = service.wire
        keyNames = spec.keyNames.map { Array($0.utf8) }
        switch service.wire {
        case .json(let mapping):
            if !spec.schema.isEmpty {
                fields = spec.schema.map { field in
                    let member = mapping.fields.first { $0.field == field.name }?.member
                    return AnswerField(field.name, member: member, kind: field.kind, isOptional: field.isOptional)
                }
            } else {
                fields = mapping.fields.map { AnswerField($0.field, member: $0.member, kind: .any) }
            }
        case .kserve(let mapping):
            fields = mapping.outputs.flatMap { output in
                output.columns.map { AnswerField($0, kind: output.datatype.kind, range: output.datatype.range) }
            }
        }
    }

    /// - Parameters:
    ///   - id: what the request was called; a server may say it again.
    /// - Throws: for what is no JSON, for the wrong number of results, and for values of another kind.
    func read(_ body: [UInt8], rows: Int, id: String) throws(AnswerFault) -> Answers {
        guard String(validating: body, as: UTF8.self) != nil else { throw AnswerFault("the answer is no UTF-8") }
        guard !body.isEmpty else { throw AnswerFault("the answer is empty") }
        let result: Result<Answers, AnswerFault> = body.withUnsafeBufferPointer { bytes in
            var scanner = AnswerScanner(bytes)
            scanner.skipBlanks()
            do throws(AnswerFault) {
                switch wire {
                case .json(let mapping): return .success(try json(&scanner, mapping, rows))
                case .kserve(let mapping): return .success(try kserve(&scanner, mapping, rows, id))
                }
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    // MARK: json

    private func json(_ scanner: inout AnswerScanner, _ mapping: JSONMapping, _ rows: Int) throws(AnswerFault)
        -> Answers
    {
        var answers: Answers?
        if let path = mapping.path {
            try descend(&scanner, path[...], rows, &answers)
        } else if scanner.next == UInt8(ascii: "{") {
            let names = ["results", "predictions"].map { Array($0.utf8) }
            try scanner.members { scanner, name throws(AnswerFault) in
                guard answers == nil, names.contains(where: { scanner.name(name, is: $0) }) else {
                    _ = try scanner.value()
                    return
                }
                answers = try results(&scanner, rows)
            }
        } else {
            answers = try results(&scanner, rows)
        }
        try scanner.finish()
        guard let answers else {
            throw AnswerFault("the answer holds no list \"\(mapping.path?.joined(separator: ".") ?? "results")\"")
        }
        return answers
    }

    private func descend(
        _ scanner: inout AnswerScanner, _ path: ArraySlice<String>, _ rows: Int, _ answers: inout Answers?
    ) throws(AnswerFault) {
        guard let first = path.first else {
            answers = try results(&scanner, rows)
            return
        }
        let wanted = Array(first.utf8)
        var found = answers
        try scanner.members { scanner, name throws(AnswerFault) in
            guard found == nil, scanner.name(name, is: wanted) else {
                _ = try scanner.value()
                return
            }
            try descend(&scanner, path.dropFirst(), rows, &found)
        }
        answers = found
    }

    private func results(_ scanner: inout AnswerScanner, _ rows: Int) throws(AnswerFault) -> Answers {
        var answers = Answers()
        var found = [Range<Int>?](repeating: nil, count: fields.count)
        try scanner.elements { scanner, row throws(AnswerFault) in
            guard row < rows else {
                throw AnswerFault("the answer has more results than the \(rows) rows that were sent")
            }
            for index in found.indices { found[index] = nil }
            switch scanner.next {
            case UInt8(ascii: "{"): try object(&scanner, row, &found, &answers)
            case UInt8(ascii: "["):
                guard !fields.isEmpty else { throw AnswerFault("results are lists, and no fields are declared") }
                try scanner.elements(depth: 1) { scanner, index throws(AnswerFault) in
                    let value = try scanner.value(depth: 2)
                    if index < found.count {
                        found[index] = value
                    } else {
                        throw AnswerFault("result \(row + 1) is too long")
                    }
                }
            default:
                let value = try scanner.value()
                if fields.isEmpty {
                    answers.append("\"value\":".utf8)
                    answers.append(scanner.bytes[value])
                } else {
                    found[0] = value
                }
            }
            try take(found, scanner, row, &answers)
            answers.endRow()
        }
        guard answers.count == rows else {
            throw AnswerFault("the answer has \(answers.count) results to \(rows) rows")
        }
        return answers
    }

    private func object(
        _ scanner: inout AnswerScanner, _ row: Int, _ found: inout [Range<Int>?], _ answers: inout Answers
    ) throws(AnswerFault) {
        try scanner.members(depth: 1) { scanner, name throws(AnswerFault) in
            let value = try scanner.value(depth: 2)
            if fields.isEmpty {
                // What services say again of the key is the key's.
                if keyNames.contains(where: { scanner.name(name, is: $0) }) { return }
                if answers.rowHasMembers { answers.append(UInt8(ascii: ",")) }
                answers.append(scanner.bytes[name.lowerBound - 1..<name.upperBound + 1])
                answers.append(UInt8(ascii: ":"))
                answers.append(scanner.bytes[value])
                return
            }
            for (index, field) in fields.enumerated() where scanner.name(name, is: field.member) {
                found[index] = value
            }
        }
        if fields.isEmpty, !answers.rowHasMembers { throw AnswerFault("result \(row + 1) is empty") }
    }

    private func take(
        _ found: [Range<Int>?], _ scanner: AnswerScanner, _ row: Int, _ answers: inout Answers
    ) throws(AnswerFault) {
        for (index, field) in fields.enumerated() {
            if index > 0 { answers.append(UInt8(ascii: ",")) }
            answers.append(field.prefix)
            if let value = found[index] {
                try field.check(value, scanner, row: row)
                answers.append(scanner.bytes[value])
            } else if field.isOptional {
                answers.append("null".utf8)
            } else {
                throw AnswerFault("result \(row + 1) has no \"\(String(decoding: field.member, as: UTF8.self))\"")
            }
        }
    }

    // MARK: KServe V2

    private func kserve(
        _ scanner: inout AnswerScanner, _ mapping: KServeMapping, _ rows: Int, _ id: String
    ) throws(AnswerFault) -> Answers {
        var tensors = [[Range<Int>]?](repeating: nil, count: mapping.outputs.count)
        try scanner.members { scanner, name throws(AnswerFault) in
            if scanner.name(name, is: Array("id".utf8)), scanner.next == UInt8(ascii: "\"") {
                let said = try scanner.string()
                guard scanner.name(said.lowerBound + 1..<said.upperBound - 1, is: Array(id.utf8)) else {
                    throw AnswerFault("the answer is to another request: its id is \(scanner.text(said))")
                }
            } else if scanner.name(name, is: Array("outputs".utf8)) {
                try scanner.elements(depth: 1) { scanner, _ throws(AnswerFault) in
                    try output(&scanner, mapping, rows, &tensors)
                }
            } else {
                _ = try scanner.value()
            }
        }
        try scanner.finish()
        for (output, tensor) in zip(mapping.outputs, tensors) where tensor == nil {
            throw AnswerFault("the answer has no output \"\(output.name)\"")
        }
        var answers = Answers()
        for row in 0..<rows {
            var index = 0
            for (output, tensor) in zip(mapping.outputs, tensors) {
                let width = output.columns.count
                for column in 0..<width {
                    guard let value = tensor?[row * width + column] else { continue }
                    if index > 0 { answers.append(UInt8(ascii: ",")) }
                    answers.append(fields[index].prefix)
                    try fields[index].check(value, scanner, row: row)
                    answers.append(scanner.bytes[value])
                    index += 1
                }
            }
            answers.endRow()
        }
        return answers
    }

    private func output(
        _ scanner: inout AnswerScanner, _ mapping: KServeMapping, _ rows: Int, _ tensors: inout [[Range<Int>]?]
    ) throws(AnswerFault) {
        var name: Range<Int>?
        var datatype: Range<Int>?
        var shape: [Int] = []
        var data: [Range<Int>]?
        try scanner.members(depth: 2) { scanner, member throws(AnswerFault) in
            if scanner.name(member, is: Array("name".utf8)) {
                name = try scanner.string()
            } else if scanner.name(member, is: Array("datatype".utf8)) {
                datatype = try scanner.string()
            } else if scanner.name(member, is: Array("shape".utf8)) {
                var sizes: [Int] = []
                try scanner.elements(depth: 3) { scanner, _ throws(AnswerFault) in
                    let size = try scanner.number()
                    sizes.append(Int(String(decoding: scanner.bytes[size], as: UTF8.self)) ?? -1)
                }
                shape = sizes
            } else if scanner.name(member, is: Array("data".utf8)) {
                var values: [Range<Int>] = []
                try flatten(&scanner, depth: 3, into: &values)
                data = values
            } else {
                _ = try scanner.value(depth: 3)
            }
        }
        func text(_ range: Range<Int>?) -> String {
            range.map { String(decoding: scanner.bytes[$0].dropFirst().dropLast(), as: UTF8.self) } ?? ""
        }
        guard let index = mapping.outputs.firstIndex(where: { $0.name == text(name) }) else { return }
        let output = mapping.outputs[index]
        guard text(datatype) == output.datatype.rawValue else {
            throw AnswerFault(
                "output \"\(output.name)\" is of type \(text(datatype)) and not \(output.datatype.rawValue), as declared"
            )
        }
        let wanted = [rows] + output.rowShape
        // [n] and [n, 1] are the same numbers, and servers differ in which they say.
        guard shape == wanted || shape.filter({ $0 != 1 }) == wanted.filter({ $0 != 1 }) else {
            throw AnswerFault("output \"\(output.name)\" has the shape \(shape) and not \(wanted)")
        }
        guard let data, data.count == rows * output.columns.count else {
            throw AnswerFault(
                "output \"\(output.name)\" has \(data?.count ?? 0) values and not \(rows * output.columns.count)")
        }
        tensors[index] = data
    }

    private func flatten(
        _ scanner: inout AnswerScanner, depth: Int, into values: inout [Range<Int>]
    ) throws(AnswerFault) {
        guard scanner.next == UInt8(ascii: "[") else {
            values.append(try scanner.value(depth: depth))
            return
        }
        var found = values
        values = []
        try scanner.elements(depth: depth) { scanner, _ throws(AnswerFault) in
            try flatten(&scanner, depth: depth + 1, into: &found)
        }
        values = found
    }
}
