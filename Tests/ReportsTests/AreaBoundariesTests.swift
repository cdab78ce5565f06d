import Testing
import Trips

@testable import Reports

@Suite struct AreaBoundariesTests {
    @Test func everyAreaHasAShapeAroundItsPoint() throws {
        #expect(AreaBoundaries.rings.count == CommunityArea.all.count)
        for area in CommunityArea.all {
            let rings = AreaBoundaries.rings[area.number - 1]
            #expect(rings.allSatisfy { $0.count >= 3 }, "\(area.name)")
            let points = rings.flatMap(\.self)
            // The point that trips of the area carry, from units of 10^-10 degrees.
            let (longitude, latitude) = (Int(area.longitude / 100_000), Int(area.latitude / 100_000))
            let (west, east) = (points.map(\.longitude).min() ?? 0, points.map(\.longitude).max() ?? 0)
            let (south, north) = (points.map(\.latitude).min() ?? 0, points.map(\.latitude).max() ?? 0)
            #expect((west...east).contains(longitude) && (south...north).contains(latitude), "\(area.name)")
        }
    }

    @Test func theWholeCityLiesOnTheMap() {
        let projection = CityProjection(x: 10, y: 20, width: 440, height: 540)
        for point in AreaBoundaries.rings.joined().joined() {
            let (x, y) = projection.place(
                longitude: Double(point.longitude) / 1e5, latitude: Double(point.latitude) / 1e5)
            #expect((10...450).contains(x) && (20...560).contains(y))
        }
        #expect(projection.outline(ofArea: 78).isEmpty)
    }

    @Test func pointsOfTripsAreRead() throws {
        let point = try #require(Figure.point("POINT (-87.6333080367 41.899602111)"))
        #expect(point == (-87.6333080367, 41.899602111))
        #expect(Figure.point("") == nil)
        #expect(Figure.point("POINT (1)") == nil)
        #expect(Figure.point(")POINT(") == nil)
    }
}
