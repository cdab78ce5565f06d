internal import CByteScan

/// How numbers become the cells of one column: its unit, its decimals and its bounds.
///
/// What cannot be a cell is `WallTime.unreadable` or `WallTime.outOfRange`, which no cell is.
///
/// `@unchecked Sendable`: the powers of ten are never written.
struct NumberRule: @unchecked Sendable {
    let kind: FieldKind
    /// In the unit of cells; of decimals, in their own unit.
    let least: Int64
    let greatest: Int64
    let decimals: Int
    /// 10^0 … 10^19.
    let powersOfTen = DecimalText.powersOfTen

    /// Nil for columns of text and times.
    init?(_ field: TripField) {
        guard let bounds = field.bounds else { return nil }
        let unit: Int64 = field.kind == .money ? 100 : 1
        (kind, least, greatest) = (field.kind, bounds.least * unit, bounds.greatest * unit)
        decimals = bounds.decimals
    }

    /// What is allowed beside a whole number: a float that went through some sums.
    private static var noise: UInt64 { 1 }
    /// `noise` is in millionths.
    private static var noiseDecimals: Int { 6 }

    /// What `taxi_is_plain_number` looks for: numbers of which all are within these bounds, in the column's own unit.
    var plainNumbers: taxi_number_bounds {
        let unit: Int64 = kind == .money ? 100 : 1
        let most = UInt64(min(greatest, least < 0 ? -least : greatest) / unit)
        // 90,000 has five digits: each number of four is less, and each of five that begins with a digit below 9.
        let digits = (1...15).prefix { powersOfTen[$0] <= most + 1 }.count
        return taxi_number_bounds(
            least: UInt64(max(0, least / unit)), greatest: most, digits: UInt32(digits),
            lead: UInt32(UInt64(UInt8(ascii: "0")) + most / powersOfTen[digits]), decimals: UInt32(decimals),
            signs: least < 0 ? 1 : 0)
    }

    @inline(__always)
    func checked(_ cell: Int64) -> Int64 { cell >= least && cell <= greatest ? cell : WallTime.outOfRange }

    /// Whether a decimal with so many decimals is within the bounds; needs no rounding besides where `scale` is at most `decimals`.
    @inline(__always)
    func holds(_ mantissa: Int64, scale: Int) -> Bool {
        let unit = Int64(bitPattern: powersOfTen[scale])
        return mantissa >= least &* unit && mantissa <= greatest &* unit
    }

    /// The cell of a number that has no more decimals than its column and is within bounds; nil says nothing.
    @inline(__always)
    func commonCell(of number: DecimalNumber) -> Int64? {
        guard number.scale >= 0, number.scale <= decimals else { return nil }
        let value = Int64(truncatingIfNeeded: number.mantissa)
        let mantissa = number.isNegative ? 0 &- value : value
        switch kind {
        case .decimal:
            return holds(mantissa, scale: number.scale)
                ? PackedDecimal(mantissa: mantissa, scale: number.scale).cell : nil
        case .money:
            guard number.scale == decimals else { return nil }
            fallthrough
        default: return mantissa >= least && mantissa <= greatest ? mantissa : nil
        }
    }

    /// The cell of a double that is the nearest to a number with no more decimals than its column and within bounds; nil says nothing.
    @inline(__always)
    func commonCell(of value: Double) -> Int64? {
        let unit = Double(powersOfTen[decimals])
        let shifted = (value * unit).rounded()
        // So small a number has at most 15 digits, and among those no other is as near.
        guard shifted.magnitude < 1e15, shifted / unit == value else { return nil }
        var mantissa = Int64(shifted)
        guard kind == .decimal else { return mantissa >= least && mantissa <= greatest ? mantissa : nil }
        var scale = decimals
        while scale > 0, case let (tenth, rest) = mantissa.quotientAndRemainder(dividingBy: 10), rest == 0 {
            (mantissa, scale) = (tenth, scale - 1)
        }
        return holds(mantissa, scale: scale) ? PackedDecimal(mantissa: mantissa, scale: scale).cell : nil
    }

    func cell(of number: DecimalNumber) -> Int64 {
        if let cell = commonCell(of: number) { return cell }
        var isRounded = false
        return cell(of: number, isRounded: &isRounded)
    }

    /// The number's cell, rounded half away from zero where it has more decimals than the column.
    ///
    /// - Parameter isRounded: set where that changed the value.
    func cell(of number: DecimalNumber, isRounded: inout Bool) -> Int64 {
        switch kind {
        case .money:
            guard let cents = number.shifted(by: 2) else { return WallTime.outOfRange }
            if !cents.isExact { isRounded = true }
            return checked(signed(cents.rounded, number))
        case .decimal: return decimalCell(number, &isRounded)
        default:
            guard let millionths = number.shifted(by: Self.noiseDecimals) else { return WallTime.outOfRange }
            let million = powersOfTen[Self.noiseDecimals]
            let (wholes, rest) = millionths.wholes.quotientAndRemainder(dividingBy: million)
            if rest == 0, millionths.isExact { return checked(signed(wholes, number)) }
            isRounded = true
            if rest < Self.noise || rest == Self.noise && millionths.isExact { return checked(signed(wholes, number)) }
            if rest >= million - Self.noise { return checked(signed(wholes + 1, number)) }
            return wholes > UInt64(greatest) ? WallTime.outOfRange : WallTime.unreadable
        }
    }

    private func decimalCell(_ number: DecimalNumber, _ isRounded: inout Bool) -> Int64 {
        var scale = min(max(number.scale, 0), decimals)
        guard let value = number.shifted(by: scale) else { return WallTime.outOfRange }
        var mantissa = signed(value.rounded, number)
        if !value.isExact {
            isRounded = true
            // The zeros at the end are of our making: 11.850000000000001 is 11.85.
            while scale > 0, mantissa % 10 == 0 { (mantissa, scale) = (mantissa / 10, scale - 1) }
        }
        return holds(mantissa, scale: scale)
            ? PackedDecimal(mantissa: mantissa, scale: scale).cell : WallTime.outOfRange
    }

    private func signed(_ magnitude: UInt64, _ number: DecimalNumber) -> Int64 {
        // `shifted` gives less than 2^63.
        number.isNegative ? -Int64(magnitude) : Int64(magnitude)
    }
}
