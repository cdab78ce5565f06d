internal import CByteScan

/// Columns that nobody reads: their fields are looked at as far as it takes to know that the row is good.
extension CSVDecoder {
    /// Notes the faults that reading these columns would meet.
    func check(_ columns: [Column], of rows: CSVRows, _ batch: TripBatch) {
        var texts: [Column] = []
        for column in columns {
            switch column.field.kind {
            case .string where column.field.isPlace: checkPlaces(rows, column, batch)
            case .string: texts.append(column)
            case .timestamp: checkTimes(rows, column, batch.source)
            default: checkNumbers(rows, column, batch.source)
            }
        }
        if !texts.isEmpty { checkLengths(rows, texts, batch) }
    }

    /// Of a text only its length counts, and that is less than the row's.
    private func checkLengths(_ rows: CSVRows, _ columns: [Column], _ batch: TripBatch) {
        let count = header.names.count
        for row in 0..<rows.count {
            let separators = rows.separators + Int(rows.first[row])
            guard separators[count] &- separators[0] > UInt32(TextCell.maximumLength) else { continue }
            for column in columns { rareText(field(rows, row, column.index, batch.source), row, column, batch) }
        }
    }

    private func checkPlaces(_ rows: CSVRows, _ column: Column, _ batch: TripBatch) {
        for row in 0..<rows.count {
            let (start, length) = rows.field(row, column.index, batch.source)
            if length == 0 || taxi_is_plain_point(start, length) != 0 { continue }
            let text = field(rows, row, column.index, batch.source)
            if text.length > 0 { rareText(text, row, column, batch) }
        }
    }

    private func checkTimes(_ rows: CSVRows, _ column: Column, _ source: UnsafePointer<UInt8>) {
        for row in 0..<rows.count {
            let (start, length) = rows.field(row, column.index, source)
            if length == 0 || length == 22 && taxi_is_plain_time(start) != 0 { continue }
            let text = field(rows, row, column.index, source)
            guard text.length > 0 else { continue }
            let cell = WallTime.parse(text.start, text.length)
            if cell <= WallTime.outOfRange { noTime(cell, row, column.index, isNeeded: false) }
        }
    }

    private func checkNumbers(_ rows: CSVRows, _ column: Column, _ source: UnsafePointer<UInt8>) {
        guard rows.count > 0 else { return }
        let bounds = column.rule.unsafelyUnwrapped.plainNumbers
        let last = rows.bytes(of: rows.count - 1, columns: header.names.count, in: source)
        let fields = taxi_column(
            source: source, end: last.baseAddress.unsafelyUnwrapped + last.count - 15, separators: rows.separators,
            first: rows.first, base: rows.base, rows: rows.count, column: column.index)
        var row = taxi_next_odd_number(fields, 0, bounds)
        while row < rows.count {
            checkNumber(field(rows, row, column.index, source), row, column, bounds)
            row = taxi_next_odd_number(fields, row + 1, bounds)
        }
    }

    private func checkNumber(_ text: FieldText, _ row: Int, _ column: Column, _ bounds: taxi_number_bounds) {
        if text.length == 0 || taxi_is_plain_number(text.start, text.length, bounds) != 0 { return }
        rareNumber(text, row, column)
    }
}
