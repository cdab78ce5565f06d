import Trips

/// What several trip files have in common, counted while each of them is profiled.
public final class FilesTally {
    private var files: [String] = []
    private var trips = SharedTrips()
    /// By the hash of a spelling, where it stands in `spellings`.
    private var places: [UInt64: Int] = [:]
    private var spellings: [(text: String, trips: Int, files: Int, file: Int)] = []
    /// Whether there were more spellings than are told apart.
    private var isCut = false
    private var hasTripIDs = false

    /// More different spellings than that are no companies.
    private static let mostSpellings = 1 << 16

    public init() {}

    func begin(_ file: String) {
        files.append(file)
        trips.begin()
    }

    func add(_ batch: TripBatch, has fields: TripFieldSet) {
        if fields.contains(.tripID) { addTripIDs(batch) }
        if fields.contains(.company) { addCompanies(batch) }
    }

    private func addTripIDs(_ batch: TripBatch) {
        hasTripIDs = true
        let cells = batch.column(.tripID)
        for row in 0..<batch.count {
            let bytes = batch.bytes(TextCell(cell: cells[row]))
            if !bytes.isEmpty { trips.add(byteHash(bytes)) }
        }
    }

    private func addCompanies(_ batch: TripBatch) {
        let cells = batch.column(.company)
        let file = files.count - 1
        for row in 0..<batch.count {
            let bytes = batch.bytes(TextCell(cell: cells[row]))
            if bytes.isEmpty { continue }
            let hash = byteHash(bytes)
            if let place = places[hash] {
                spellings[place].trips += 1
                if spellings[place].file != file {
                    spellings[place].file = file
                    spellings[place].files += 1
                }
            } else if spellings.count < Self.mostSpellings {
                places[hash] = spellings.count
                spellings.append((String(decoding: bytes, as: UTF8.self), 1, 1, file))
            } else {
                isCut = true
            }
        }
    }

    /// What was counted of all files so far.
    public var together: FilesTogether {
        let shared = trips.shared
        let groups = Dictionary(grouping: spellings) { CompanySpelling.key($0.text) }
        let companies = groups.values.filter { $0.count > 1 }.map { group in
            FilesTogether.Company(
                spellings: group.map { .init(spelling: $0.text, trips: $0.trips, files: $0.files) }
                    .sorted { $0.trips != $1.trips ? $0.trips > $1.trips : $0.spelling < $1.spelling })
        }
        return FilesTogether(
            files: files,
            repeatedTrips: hasTripIDs ? shared.reduce(0) { $0 + $1.trips } : nil,
            isRepeatedExact: trips.isExact,
            shared: shared.prefix(FilesTogether.mostShared).map { set in
                .init(files: set.files.map { files[$0] }, trips: set.trips)
            },
            furtherShared: max(0, shared.count - FilesTogether.mostShared),
            companies: companies.sorted { $0.trips != $1.trips ? $0.trips > $1.trips : $0.name < $1.name },
            spellings: spellings.count, isSpellingsExact: !isCut)
    }
}
