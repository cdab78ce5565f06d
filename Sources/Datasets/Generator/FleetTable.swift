/// The companies that taxis drive for, and what their meters write.
struct CompanyTable {
    var name: String
    /// What the exports of 2013 to 2016 call it: most had no name there.
    var earlyName: String
    var meter: Meter
    /// Trips in two days of 2022: how many of the fleet's taxis are the company's.
    var trips: Int

    enum Meter: Sendable {
        /// Seconds, hundredths of a mile, an app's trips, a fee that has no column.
        case exact
        /// Whole minutes, tenths of a mile, and an odometer that often does not report.
        case minutes
    }

    /// Names are as published: one company under two spellings, cut names, licence numbers.
    static let all: [CompanyTable] = [
        .init(name: "Flash Cab", earlyName: "", meter: .exact, trips: 8753),
        .init(name: "Taxi Affiliation Services", earlyName: "Taxi Affiliation Services", meter: .minutes, trips: 7697),
        .init(name: "Sun Taxi", earlyName: "", meter: .exact, trips: 3902),
        .init(name: "City Service", earlyName: "Dispatch Taxi Affiliation", meter: .exact, trips: 2793),
        .init(
            name: "Taxicab Insurance Agency, LLC", earlyName: "Northwest Management LLC", meter: .minutes, trips: 1870),
        .init(name: "Medallion Leasin", earlyName: "", meter: .exact, trips: 1528),
        .init(
            name: "Chicago Independents", earlyName: "Chicago Elite Cab Corp. (Chicago Carriag", meter: .exact,
            trips: 1514),
        .init(name: "Globe Taxi", earlyName: "", meter: .exact, trips: 1358),
        .init(
            name: "Blue Ribbon Taxi Association Inc.", earlyName: "Blue Ribbon Taxi Association Inc.", meter: .minutes,
            trips: 951),
        .init(name: "24 Seven Taxi", earlyName: "", meter: .exact, trips: 808),
        .init(name: "Taxicab Insurance Agency Llc", earlyName: "Chicago Elite Cab Corp.", meter: .exact, trips: 694),
        .init(name: "Top Cab Affiliation", earlyName: "Top Cab Affiliation", meter: .minutes, trips: 659),
        .init(name: "Choice Taxi Association", earlyName: "Choice Taxi Association", meter: .minutes, trips: 644),
        .init(name: "U Taxicab", earlyName: "", meter: .minutes, trips: 362),
        .init(name: "Patriot Taxi Dba Peace Taxi Associat", earlyName: "", meter: .exact, trips: 125),
        .init(name: "Chicago Taxicab", earlyName: "T.A.S. - Payment Only", meter: .exact, trips: 108),
        .init(name: "KOAM Taxi Association", earlyName: "KOAM Taxi Association", meter: .minutes, trips: 105),
        .init(
            name: "312 Medallion Management Corp", earlyName: "Chicago Medallion Management", meter: .minutes, trips: 48
        ),
        .init(name: "Metro Jet Taxi A.", earlyName: "Chicago Medallion Leasing INC", meter: .exact, trips: 35),
        .init(name: "Setare Inc", earlyName: "", meter: .exact, trips: 31),
        .init(name: "Top Cab", earlyName: "Suburban Dispatch LLC", meter: .exact, trips: 31),
        .init(name: "Petani Cab Corp", earlyName: "", meter: .minutes, trips: 18),
        .init(name: "3556 - 36214 RC Andrews Cab", earlyName: "5129 - Mengisti Taxi", meter: .minutes, trips: 11),
        .init(name: "2733 - 74600 Benny Jona", earlyName: "2192 - 73487 Zeymane Corp", meter: .minutes, trips: 11),
        .init(name: "4787 - 56058 Reny Cab Co", earlyName: "3011 - 66308 JBL Cab Inc.", meter: .minutes, trips: 11),
        .init(name: "4623 - 27290 Jay Kim", earlyName: "5074 - 54002 Ahzmi Inc", meter: .minutes, trips: 11),
        .init(name: "6574 - Babylon Express Inc.", earlyName: "4197 - 41842 Royal Star", meter: .minutes, trips: 9),
    ]
}

/// How a trip was paid, with the names of the export.
enum PaymentType: Int, CaseIterable, Sendable {
    case cash, creditCard, mobile, prcard, unknown, noCharge, dispute, pcard

    var name: String {
        switch self {
        case .cash: "Cash"
        case .creditCard: "Credit Card"
        case .mobile: "Mobile"
        case .prcard: "Prcard"
        case .unknown: "Unknown"
        case .noCharge: "No Charge"
        case .dispute: "Dispute"
        case .pcard: "Pcard"
        }
    }

    // In the order of the cases; from the days and samples of data/README.md.
    static let ofExactMeters = WeightedChoice([3303, 2990, 2352, 1350, 4, 0, 0, 1])
    static let ofMinuteMeters = WeightedChoice([3650, 3800, 0, 0, 1700, 14, 14, 0])
    static let before2017 = WeightedChoice([6140, 3790, 0, 0, 24, 40, 3, 3])
}
