/// One of the 77 community areas that Chicago has been divided into since the 1920s: what a trip's area columns mean.
public struct CommunityArea: Sendable, Hashable {
    /// 1…77.
    public var number: Int
    /// The name as people write it: "Near North Side", "O'Hare".
    public var name: String
    /// The longitude in units of 10^-10 degrees of the point that a trip carries when its tract is masked.
    public var longitude: Int64
    /// The latitude that goes with `longitude`, in the same unit.
    public var latitude: Int64
}

extension CommunityArea {
    /// The area of that number, or nil where there is none (outside 1…77).
    public static func numbered(_ number: Int) -> CommunityArea? {
        all.indices.contains(number - 1) ? all[number - 1] : nil
    }

    /// The area's name, or "Area 78" where the City knows no such number: a report has to print something.
    public static func name(of number: Int) -> String { numbered(number)?.name ?? "Area \(number)" }

    /// All areas; the one of number n stands at n - 1.
    ///
    /// Source: City of Chicago Data Portal, "Boundaries - Community Areas"; the points were read from published trips.
    public static let all: [CommunityArea] = [
        .init(number: 1, name: "Rogers Park", longitude: -876_701_668_569, latitude: 420_096_228_806),
        .init(number: 2, name: "West Ridge", longitude: -876_950_125_892, latitude: 420_015_710_270),
        .init(number: 3, name: "Uptown", longitude: -876_558_787_862, latitude: 419_658_119_700),
        .init(number: 4, name: "Lincoln Square", longitude: -876_875_155_152, latitude: 419_751_709_433),
        .init(number: 5, name: "North Center", longitude: -876_838_349_425, latitude: 419_477_915_865),
        .init(number: 6, name: "Lake View", longitude: -876_559_981_815, latitude: 419_442_266_014),
        .init(number: 7, name: "Lincoln Park", longitude: -876_494_887_289, latitude: 419_226_862_843),
        .init(number: 8, name: "Near North Side", longitude: -876_333_080_367, latitude: 418_996_021_110),
        .init(number: 9, name: "Edison Park", longitude: -878_137_810_343, latitude: 420_076_125_931),
        .init(number: 10, name: "Norwood Park", longitude: -878_045_320_063, latitude: 419_850_151_008),
        .init(number: 11, name: "Jefferson Park", longitude: -877_711_667_030, latitude: 419_788_295_262),
        .init(number: 12, name: "Forest Glen", longitude: -877_583_535_876, latitude: 419_939_301_285),
        .init(number: 13, name: "North Park", longitude: -877_235_831_853, latitude: 419_836_363_072),
        .init(number: 14, name: "Albany Park", longitude: -877_215_590_627, latitude: 419_680_690_000),
        .init(number: 15, name: "Portage Park", longitude: -877_633_990_316, latitude: 419_540_276_487),
        .init(number: 16, name: "Irving Park", longitude: -877_234_523_905, latitude: 419_535_821_253),
        .init(number: 17, name: "Dunning", longitude: -878_060_200_025, latitude: 419_465_114_202),
        .init(number: 18, name: "Montclare", longitude: -877_980_321_814, latitude: 419_292_973_683),
        .init(number: 19, name: "Belmont Cragin", longitude: -877_655_016_086, latitude: 419_272_609_555),
        .init(number: 20, name: "Hermosa", longitude: -877_347_397_536, latitude: 419_243_470_769),
        .init(number: 21, name: "Avondale", longitude: -877_112_105_933, latitude: 419_386_661_962),
        .init(number: 22, name: "Logan Square", longitude: -876_991_553_432, latitude: 419_227_606_205),
        .init(number: 23, name: "Humboldt Park", longitude: -877_209_182_385, latitude: 419_000_696_026),
        .init(number: 24, name: "West Town", longitude: -876_763_559_892, latitude: 419_012_069_941),
        .init(number: 25, name: "Austin", longitude: -877_560_467_111, latitude: 418_906_088_526),
        .init(number: 26, name: "West Garfield Park", longitude: -877_302_324_284, latitude: 418_785_943_576),
        .init(number: 27, name: "East Garfield Park", longitude: -877_058_971_305, latitude: 418_789_144_956),
        .init(number: 28, name: "Near West Side", longitude: -876_635_175_498, latitude: 418_740_053_830),
        .init(number: 29, name: "North Lawndale", longitude: -877_172_201_000, latitude: 418_601_900_192),
        .init(number: 30, name: "South Lawndale", longitude: -877_140_038_070, latitude: 418_390_869_059),
        .init(number: 31, name: "Lower West Side", longitude: -876_675_693_120, latitude: 418_502_663_663),
        .init(number: 32, name: "Loop", longitude: -876_251_921_424, latitude: 418_788_655_841),
        .init(number: 33, name: "Near South Side", longitude: -876_203_346_241, latitude: 418_571_838_585),
        .init(number: 34, name: "Armour Square", longitude: -876_339_734_222, latitude: 418_420_761_168),
        .init(number: 35, name: "Douglas", longitude: -876_186_777_673, latitude: 418_351_179_863),
        .init(number: 36, name: "Oakland", longitude: -876_023_504_372, latitude: 418_237_128_095),
        .init(number: 37, name: "Fuller Park", longitude: -876_324_245_245, latitude: 418_090_844_303),
        .init(number: 38, name: "Grand Boulevard", longitude: -876_178_596_758, latitude: 418_129_489_392),
        .init(number: 39, name: "Kenwood", longitude: -875_961_833_442, latitude: 418_089_162_826),
        .init(number: 40, name: "Washington Park", longitude: -876_179_313_803, latitude: 417_923_572_233),
        .init(number: 41, name: "Hyde Park", longitude: -875_923_108_550, latitude: 417_940_902_530),
        .init(number: 42, name: "Woodlawn", longitude: -875_949_254_391, latitude: 417_788_768_603),
        .init(number: 43, name: "South Shore", longitude: -875_727_819_867, latitude: 417_615_779_081),
        .init(number: 44, name: "Chatham", longitude: -876_159_695_226, latitude: 417_402_057_565),
        .init(number: 45, name: "Avalon Park", longitude: -875_863_483_178, latitude: 417_441_995_348),
        .init(number: 46, name: "South Chicago", longitude: -875_514_281_970, latitude: 417_412_427_285),
        .init(number: 47, name: "Burnside", longitude: -875_964_755_956, latitude: 417_281_820_610),
        .init(number: 48, name: "Calumet Heights", longitude: -875_727_171_342, latitude: 417_296_764_229),
        .init(number: 49, name: "Roseland", longitude: -876_233_665_115, latitude: 417_065_878_819),
        .init(number: 50, name: "Pullman", longitude: -875_982_558_383, latitude: 417_061_257_523),
        .init(number: 51, name: "South Deering", longitude: -875_700_582_686, latitude: 416_906_333_472),
        .init(number: 52, name: "East Side", longitude: -875_349_029_012, latitude: 417_073_114_490),
        .init(number: 53, name: "West Pullman", longitude: -876_357_397_768, latitude: 416_738_199_043),
        .init(number: 54, name: "Riverdale", longitude: -876_028_476_400, latitude: 416_601_360_507),
        .init(number: 55, name: "Hegewisch", longitude: -875_409_355_129, latitude: 416_636_706_517),
        .init(number: 56, name: "Garfield Ridge", longitude: -877_696_154_528, latitude: 417_925_923_603),
        .init(number: 57, name: "Archer Heights", longitude: -877_263_633_246, latitude: 418_108_790_078),
        .init(number: 58, name: "Brighton Park", longitude: -876_988_607_973, latitude: 418_173_662_079),
        .init(number: 59, name: "McKinley Park", longitude: -876_725_026_464, latitude: 418_299_223_039),
        .init(number: 60, name: "Bridgeport", longitude: -876_487_879_519, latitude: 418_361_501_547),
        .init(number: 61, name: "New City", longitude: -876_591_665_992, latitude: 418_090_182_499),
        .init(number: 62, name: "West Elsdon", longitude: -877_242_081_939, latitude: 417_929_819_032),
        .init(number: 63, name: "Gage Park", longitude: -876_964_352_325, latitude: 417_954_306_310),
        .init(number: 64, name: "Clearing", longitude: -877_685_108_490, latitude: 417_795_828_877),
        .init(number: 65, name: "West Lawn", longitude: -877_269_298_425, latitude: 417_697_780_588),
        .init(number: 66, name: "Chicago Lawn", longitude: -876_956_663_420, latitude: 417_718_485_152),
        .init(number: 67, name: "West Englewood", longitude: -876_665_962_653, latitude: 417_759_288_274),
        .init(number: 68, name: "Englewood", longitude: -876_424_975_271, latitude: 417_771_962_546),
        .init(number: 69, name: "Greater Grand Crossing", longitude: -876_161_341_112, latitude: 417_632_467_988),
        .init(number: 70, name: "Ashburn", longitude: -877_083_657_043, latitude: 417_457_577_128),
        .init(number: 71, name: "Auburn Gresham", longitude: -876_563_059_862, latitude: 417_442_051_463),
        .init(number: 72, name: "Beverly", longitude: -876_750_753_124, latitude: 417_131_486_120),
        .init(number: 73, name: "Washington Heights", longitude: -876_488_950_721, latitude: 417_174_930_361),
        .init(number: 74, name: "Mount Greenwood", longitude: -877_131_924_966, latitude: 416_948_789_661),
        .init(number: 75, name: "Morgan Park", longitude: -876_690_544_032, latitude: 416_897_299_145),
        .init(number: 76, name: "O'Hare", longitude: -879_136_245_960, latitude: 419_802_643_146),
        .init(number: 77, name: "Edgewater", longitude: -876_634_164_054, latitude: 419_867_117_999),
    ]
}
