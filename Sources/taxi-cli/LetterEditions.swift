import Problems
import Topics

/// Dead letters as somebody has corrected them: lines of `partition/offset`, a tab, and the record as it is to be read.
struct LetterEditions {
    private(set) var records: [LetterPlace: [UInt8]] = [:]

    /// - Throws: `.noInput` where the file is not there; `.badData` with the line that is none, or that names a letter once more.
    init(path: String) throws(Problem) {
        var bytes = try Files.contents(of: path)[...]
        var number = 0
        while !bytes.isEmpty {
            number += 1
            let end = bytes.firstIndex(of: 0x0a) ?? bytes.endIndex
            let line = bytes[..<end]
            bytes = bytes[min(end + 1, bytes.endIndex)...]
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d }) { continue }
            let location = InputLocation(file: path, line: number, column: 1)
            guard let tab = line.firstIndex(of: 0x09),
                let place = LetterPlace(String(decoding: line[..<tab], as: UTF8.self))
            else {
                throw Problem(
                    .badData, "the line does not begin with a dead letter's place and a tab", at: location,
                    hint: "taxi-cli dead-letter show --places writes such lines: 0/17, a tab, the record.")
            }
            guard records.updateValue(Array(line[(tab + 1)...]), forKey: place) == nil else {
                throw Problem(
                    .badData, "dead letter \(place) comes twice", at: location, hint: "Keep one of the lines.")
            }
        }
        guard !records.isEmpty else {
            throw Problem(
                .badData, "the file names no dead letter", at: InputLocation(file: path, line: 1, column: 1),
                hint: "taxi-cli dead-letter show --places writes its lines.")
        }
    }
}
