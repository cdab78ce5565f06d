import Basics
import Problems
import Stream
import Testing
import Time
import Trips

@Suite struct DeclarationPredicateTests {
    private let zone = try! ZoneClock(identifier: "America/Chicago")

    private func predicate(_ text: String) throws -> Predicate {
        let quoted = text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        let yaml = "queries:\n  - name: q\n    aggregates: {n: count()}\n    where: '\(quoted)'\n"
        return try #require(try QueryCatalog.parse(yaml, file: "f").first?.filter)
    }

    private func values(_ predicate: Predicate, _ batch: TripBatch) -> [UInt8] {
        var selection = [UInt8](repeating: 9, count: batch.count)
        let evaluator = PredicateEvaluator(predicate, zone: zone)
        selection.withUnsafeMutableBufferPointer { evaluator.evaluate(batch, into: $0.baseAddress!) }
        return selection
    }

    // Rows: fare 5.00 / 4.99 / null; company "O'Hare Cabs" / null / "Ärztetaxi"; event times
    // 2024-03-10T07:59Z (01:59 CST), 08:00Z (03:00 CDT, the clock has jumped), 2024-11-04T05:59Z (Sunday 23:59 CST).
    private func threeTrips() -> TripBatch {
        let batch = TripBatch(capacity: 8)
        batch.count = 3
        for (row, fare) in [500, 499, nullCell].enumerated() { batch.column(.fare)[row] = fare }
        batch.column(.company)[0] = batch.keep("O'Hare Cabs".utf8).cell
        batch.column(.company)[1] = 0
        batch.column(.company)[2] = batch.keep("Ärztetaxi".utf8).cell
        for (row, area) in [8, nullCell, 76].enumerated() { batch.column(.pickupArea)[row] = area }
        for (row, miles) in [(15, 1), (1_500_001, 6), (-15, 1)].enumerated() {
            batch.column(.miles)[row] = PackedDecimal(mantissa: Int64(miles.0), scale: miles.1).cell
        }
        let day = Int64(Calendar.day(year: 2024, month: 3, day: 10)) * 86_400
        for (row, second) in [day + 7140, day + 10_800, nullCell].enumerated() {
            batch.column(.startTimestamp)[row] = second == nullCell ? nullCell : WallTime(seconds: second).cell
        }
        for (row, time) in [1_710_057_540_000, 1_710_057_600_000, 1_730_699_940_000].enumerated() {
            batch.eventTimes[row] = EventTime(time)
        }
        return batch
    }

    @Test(
        arguments: [
            ("fare >= 5.00", [1, 0, 2]), ("fare >= 5", [1, 0, 2]), ("fare != 5", [0, 1, 2]), ("fare <> 5", [0, 1, 2]),
            ("not fare >= 5", [0, 1, 2]), ("fare < 5 or fare is null", [0, 1, 1]), ("fare is not null", [1, 1, 0]),
            ("fare > 1 and company is null", [0, 1, 0]), ("fare > 1 or company is not null", [1, 1, 1]),
            ("fare between 4.99 and 5", [1, 1, 2]), ("fare not between 4.995 and 5", nil),
            ("fare NOT IN (5, 7.5)", [0, 1, 2]), ("fare in (4.99)", [0, 1, 2]),
            ("company = 'O''Hare Cabs'", [1, 2, 0]), ("company < 'P'", [1, 2, 0]), ("company >= 'O''Hare'", [1, 2, 1]),
            ("company in ('x', 'Ärztetaxi')", [0, 2, 1]), ("company not in ('x')", [1, 2, 1]),
            ("pickup_community_area in (76, 8)", [1, 2, 1]), ("pickup_community_area = 8.0", [1, 2, 0]),
            ("trip_miles = 1.5", [1, 0, 0]), ("trip_miles > 1.5", [0, 1, 0]), ("trip_miles <= -1.500000", [0, 0, 1]),
            ("hour = 1", [1, 0, 0]), ("hour = 3", [0, 1, 0]), ("hour_of_week = 167", [0, 0, 1]),
            ("hour_of_week in (145, 147)", [1, 1, 0]), ("day = '2024-11-03'", [0, 0, 1]), ("day is null", [0, 0, 0]),
            ("day between '2024-03-01' and '2024-03-10'", [1, 1, 0]),
            ("trip_start_timestamp >= '2024-03-10 03:00'", [0, 1, 2]),
            ("trip_start_timestamp < '2024-03-10T01:59:01'", [1, 0, 2]),
            ("(fare > 1 or tips > 1) and not (hour = 1 and fare = 5)", [0, 1, 2]),
        ] as [(String, [UInt8]?)])
    func hasTheThreeValuesOfSQL(_ text: String, _ expected: [UInt8]?) throws {
        guard let expected else {
            #expect(throws: Problem.self) { try predicate(text) }
            return
        }
        let parsed = try predicate(text)
        #expect(values(parsed, threeTrips()) == expected)
        #expect(try predicate(parsed.description) == parsed)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func columnLoopsGiveWhatRowsGive(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<40 {
            let batch = Self.randomBatch(&random)
            let expression = Self.randomPredicate(depth: 4, &random)
            let expected = (0..<batch.count).map { row -> UInt8 in
                switch obvious(expression, batch, row) {
                case true: 1
                case false: 0
                case nil: 2
                }
            }
            #expect(values(expression, batch) == expected, "\(expression)")
        }
    }

    @Test func oneEvaluatorServesBatchesOfManySizes() throws {
        var random = SplitMix64(seed: 11)
        let parsed = try predicate("(fare > 3 or company = 'b') and (tips < 2 or not hour < 12)")
        let evaluator = PredicateEvaluator(parsed, zone: zone)
        for _ in 0..<20 {
            let batch = Self.randomBatch(&random)
            var selection = [UInt8](repeating: 9, count: batch.capacity)
            selection.withUnsafeMutableBufferPointer { evaluator.evaluate(batch, into: $0.baseAddress!) }
            #expect(Array(selection.prefix(batch.count)) == values(parsed, batch))
            // Nothing behind the batch's trips is touched.
            #expect(selection.dropFirst(batch.count).allSatisfy { $0 == 9 })
        }
    }

    // MARK: the slow and obvious version

    private func obvious(_ predicate: Predicate, _ batch: TripBatch, _ row: Int) -> Bool? {
        func integer(_ operand: Operand) -> Int64? {
            let local = batch.eventTimes[row] + Int64(zone.offsetSeconds(atMs: batch.eventTimes[row])) * 1000
            let day = Int64(zone.localDay(ofMs: batch.eventTimes[row]))
            let hour = (local - day * 86_400_000) / 3_600_000
            switch operand {
            case .day: return day
            case .hour: return hour
            case .hourOfWeek: return Int64(Calendar.weekday(ofDay: Int(day))) * 24 + hour
            case .field(let field):
                let cell = batch.column(field)[row]
                if cell == nullCell { return nil }
                switch field.kind {
                case .timestamp: return WallTime(cell: cell).seconds
                case .decimal: return PackedDecimal(cell: cell).millionths
                default: return cell
                }
            }
        }
        func compare<Value: Comparable>(_ a: Value, _ comparison: Comparison, _ b: Value) -> Bool {
            switch comparison {
            case .equal: a == b
            case .notEqual: a != b
            case .less: a < b
            case .lessOrEqual: a <= b
            case .greater: a > b
            case .greaterOrEqual: a >= b
            }
        }
        func isNull(_ operand: Operand) -> Bool {
            if case .field(let field) = operand, field.kind == .string { return batch.string(field, row) == nil }
            return integer(operand) == nil
        }
        // ASCII text: the order of scalars is that of bytes.
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        switch predicate {
        case .and(let parts):
            let values = parts.map { obvious($0, batch, row) }
            return values.contains(false) ? false : values.contains(nil) ? nil : true
        case .or(let parts):
            let values = parts.map { obvious($0, batch, row) }
            return values.contains(true) ? true : values.contains(nil) ? nil : false
        case .not(let part): return obvious(part, batch, row).map { !$0 }
        case .compareInteger(let operand, let comparison, let value):
            return integer(operand).map { compare($0, comparison, value) }
        case .compareString(let field, let comparison, let value):
            return batch.string(field, row).map { compare($0, comparison, text(value)) }
        case .inIntegers(let operand, let values): return integer(operand).map { values.contains($0) }
        case .inStrings(let field, let values): return batch.string(field, row).map { values.map(text).contains($0) }
        case .isNull(let operand): return isNull(operand)
        case .isNotNull(let operand): return !isNull(operand)
        }
    }

    // MARK: random trips and expressions

    private static let words = ["a", "b", "ab", "abc", "b c", "zz"]
    private static let numbers: [TripField] = [.fare, .tips, .pickupArea, .seconds, .miles, .startTimestamp]

    private static func randomBatch(_ random: inout SplitMix64) -> TripBatch {
        let batch = TripBatch(capacity: Int.random(in: 1...100, using: &random))
        batch.count = Int.random(in: 0...batch.capacity, using: &random)
        for row in 0..<batch.count {
            for field in numbers {
                let small = Int64.random(in: -3...6, using: &random)
                let cell: Int64 =
                    switch field.kind {
                    case .decimal: PackedDecimal(mantissa: small, scale: Int.random(in: 0...8, using: &random)).cell
                    case .timestamp: WallTime(seconds: small, form: UInt8.random(in: 0...255, using: &random)).cell
                    default: small
                    }
                batch.column(field)[row] = small == 6 ? nullCell : cell
            }
            for field in [TripField.company, .paymentType] {
                let word = words.randomElement(using: &random)!
                batch.column(field)[row] = Bool.random(using: &random) ? batch.keep(word.utf8).cell : 0
            }
            batch.eventTimes[row] = Int64.random(in: 1_710_000_000_000...1_710_200_000_000, using: &random)
        }
        return batch
    }

    private static func randomPredicate(depth: Int, _ random: inout SplitMix64) -> Predicate {
        let comparisons: [Comparison] = [.equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual]
        let operand: Operand =
            [.day, .hour, .hourOfWeek].randomElement(using: &random).flatMap {
                Int.random(in: 0..<4, using: &random) == 0 ? $0 : nil
            } ?? .field(numbers.randomElement(using: &random)!)
        func integer() -> Int64 {
            switch operand {
            case .day: return Int64.random(in: 19_790...19_795, using: &random)
            case .hour, .hourOfWeek: return Int64.random(in: 0...167, using: &random)
            case .field(.miles): return Int64.random(in: -3...5, using: &random) * 1_000_000
            case .field: return Int64.random(in: -3...5, using: &random)
            }
        }
        func bytes() -> [UInt8] { Array(words.randomElement(using: &random)!.utf8) }
        let text = [TripField.company, .paymentType].randomElement(using: &random)!
        let comparison = comparisons.randomElement(using: &random)!
        switch Int.random(in: depth > 0 ? -3..<6 : 0..<6, using: &random) {
        case -3: return .not(randomPredicate(depth: depth - 1, &random))
        case -2:
            return .and(
                (0..<Int.random(in: 2...4, using: &random)).map { _ in randomPredicate(depth: depth - 1, &random) })
        case -1:
            return .or(
                (0..<Int.random(in: 2...4, using: &random)).map { _ in randomPredicate(depth: depth - 1, &random) })
        case 0, 1: return .compareInteger(operand, comparison, integer())
        case 2: return .compareString(text, comparison, bytes())
        case 3: return .inIntegers(operand, Set((0..<3).map { _ in integer() }).sorted())
        case 4: return .inStrings(text, Set((0..<3).map { _ in bytes() }).sorted { $0.lexicographicallyPrecedes($1) })
        default: return Bool.random(using: &random) ? .isNull(operand) : .isNotNull(.field(text))
        }
    }
}
