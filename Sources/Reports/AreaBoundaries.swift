/// The boundaries of Chicago's 77 community areas, simplified for pictures, and how they lie on a flat map.
enum AreaBoundaries {
    /// In units of 0.00001 degrees.
    struct Point: Equatable {
        var longitude: Int
        var latitude: Int
    }

    /// Rings of each area; the one of number n stands at n - 1. Rings are not closed: the last point joins the first.
    static let rings: [[[Point]]] = encoded.map { area in
        area.split(separator: "|").map { ring in
            let numbers = ring.split(separator: " ").compactMap { Int($0) }
            var (longitude, latitude) = (0, 0)
            return stride(from: 0, to: numbers.count - 1, by: 2).map { index in
                longitude += numbers[index]
                latitude += numbers[index + 1]
                return Point(longitude: longitude, latitude: latitude)
            }
        }
    }
}

/// A flat map of the city: an equirectangular projection that is true to scale at its middle latitude, 41.83 degrees north, where
/// it distorts less than a line is wide.
package struct CityProjection: Sendable {
    let originX: Double
    let originY: Double
    /// Pixels a degree of latitude.
    let scale: Double

    private static let west = -87.945
    private static let north = 42.028
    /// cos 41.83°
    private static let shrink = 0.7452
    private static let degreesWide = (87.945 - 87.52) * shrink
    private static let degreesHigh = 42.028 - 41.64

    /// The whole city, as large as fits into a box.
    package init(x: Double, y: Double, width: Double, height: Double) {
        scale = min(width / Self.degreesWide, height / Self.degreesHigh)
        originX = x + (width - Self.degreesWide * scale) / 2
        originY = y
    }

    package func place(longitude: Double, latitude: Double) -> (x: Double, y: Double) {
        (originX + (longitude - Self.west) * Self.shrink * scale, originY + (Self.north - latitude) * scale)
    }

    /// The outline of an area (1…77) as the data of an SVG path; empty for a number that is none.
    package func outline(ofArea number: Int) -> String {
        guard AreaBoundaries.rings.indices.contains(number - 1) else { return "" }
        return AreaBoundaries.rings[number - 1].map { ring in
            "M"
                + ring.map { point in
                    let (x, y) = place(longitude: Double(point.longitude) / 1e5, latitude: Double(point.latitude) / 1e5)
                    return "\(coordinate(x)) \(coordinate(y))"
                }.joined(separator: "L") + "Z"
        }.joined()
    }
}
