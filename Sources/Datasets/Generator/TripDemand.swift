import Time

/// How many trips start when: the city's day and night, week, seasons and years, and days that are not like others.
enum TripDemand {
    /// How often a trip starts in each of the quarter-hours, in no unit, never 0.
    static func weights(_ quarters: QuarterHours, seed: UInt64) -> [Int] {
        var weights: [Int] = []
        weights.reserveCapacity(quarters.count)
        var (knownDay, ofDay) = (Int.min, 0)
        for index in 0..<quarters.count {
            let (day, quarter) = quarters.wall(index)
            if day != knownDay { (knownDay, ofDay) = (day, weight(ofDay: day, seed: seed)) }
            var random = RandomBits(seed: seed ^ 0x51_07, number: UInt64(index))
            let ofQuarter = weight(ofQuarter: quarter, weekday: Calendar.weekday(ofDay: day))
            weights.append(max(1, ofQuarter * ofDay / 1000 * random.within(600...1400) / 1000))
        }
        return weights
    }

    /// Between the hours the demand changes step by step, and Saturday's follows Friday's.
    private static func weight(ofQuarter quarter: Int, weekday: Int) -> Int {
        let hour = weekday * 24 + quarter / 4
        func trips(_ hour: Int) -> Int { byHour[(hour + 168) % 168 / 24][(hour + 168) % 24] }
        switch quarter % 4 {
        case 0: return trips(hour) * 5 + trips(hour - 1) * 3
        case 1: return trips(hour) * 7 + trips(hour - 1)
        case 2: return trips(hour) * 7 + trips(hour + 1)
        default: return trips(hour) * 5 + trips(hour + 1) * 3
        }
    }

    /// In thousandths of a usual day: season, trend, holidays, and the weather, which is anybody's guess.
    private static func weight(ofDay day: Int, seed: UInt64) -> Int {
        let (year, month, dayOfMonth) = Calendar.date(ofDay: day)
        var random = RandomBits(seed: seed ^ 0xda1, number: UInt64(bitPattern: Int64(day)))
        let weather = random.within(900...1050) + random.within(-60...60)
        let trend = max(500, 1200 - 15 * (year - 2013))
        let holiday = holidays.first { $0.month == month && $0.day == dayOfMonth }?.thousandths ?? 1000
        return byMonth[month - 1] * weather / 1000 * trend / 1000 * holiday / 1000
    }

    /// Trips an hour of a mean week, Monday first, of 2019.
    ///
    /// Source: counts by area and hour of 2019, from the City's data, 14 million trips.
    private static let byHour: [[Int]] = [
        [
            310, 207, 150, 128, 145, 228, 425, 845, 1326, 1392, 1258, 1343, 1431, 1453, 1428, 1470, 1658, 1854, 1742,
            1423, 1116, 921, 690, 459,
        ],
        [
            311, 205, 133, 94, 98, 162, 377, 920, 1492, 1539, 1365, 1524, 1618, 1635, 1593, 1665, 1870, 2066, 1967,
            1655, 1316, 1105, 862, 565,
        ],
        [
            345, 200, 115, 84, 91, 160, 388, 955, 1535, 1570, 1401, 1580, 1696, 1718, 1643, 1698, 1907, 2110, 2017,
            1737, 1406, 1194, 965, 631,
        ],
        [
            394, 241, 149, 112, 104, 171, 393, 964, 1513, 1547, 1399, 1613, 1756, 1770, 1735, 1797, 2021, 2183, 2108,
            1855, 1543, 1335, 1145, 815,
        ],
        [
            541, 358, 232, 168, 146, 195, 389, 852, 1319, 1394, 1323, 1567, 1758, 1762, 1741, 1852, 2018, 2147, 2064,
            1779, 1375, 1191, 1163, 981,
        ],
        [
            827, 773, 644, 482, 266, 144, 158, 234, 358, 527, 697, 812, 920, 963, 982, 1047, 1122, 1231, 1260, 1200,
            1009, 960, 1021, 1001,
        ],
        [
            918, 850, 753, 595, 436, 292, 223, 248, 315, 465, 637, 737, 821, 830, 834, 861, 884, 911, 885, 813, 712,
            655, 559, 429,
        ],
    ]

    /// Trips a day of a month, in thousandths of the year's mean; the City's own counts of 2013 to 2016, and 2019.
    private static let byMonth = [849, 980, 1044, 1013, 1072, 1098, 992, 1002, 1006, 1050, 963, 930]

    private static let holidays: [(month: Int, day: Int, thousandths: Int)] = [
        (1, 1, 900), (3, 17, 1250), (7, 4, 750), (11, 28, 650), (12, 24, 650), (12, 25, 450), (12, 31, 1150),
    ]
}
