import Foundation

/// A query's output topic, and how the messages in it look, spelled out from the rows of its view.
struct OutputTopic {
    var topic: String
    var view: String
    /// One message for each change, the newest of which counts; else one for each row.
    var emitsChanges = false
    /// SQL of the message's text.
    var messageSQL: String

    static let all = [
        OutputTopic(
            topic: "sumFareWindowStream", view: "sumfarewindow", emitsChanges: true,
            messageSQL: message(
                window, money("total_fare"), money("tips_fare"), money("total_trip_total"))),
        OutputTopic(
            topic: "tripsTotalStream", view: "tripstotal", emitsChanges: true,
            messageSQL: message(
                text("day"), number("trips_total"), money("fare_total"), money("tips_avg"), money("trip_total_avg"))),
        OutputTopic(
            topic: "hotspotCommunityPickupWindowStream", view: "hotspotcommunitywindow",
            messageSQL: message(window, number("pickup_community_area"), number("count"))),
        OutputTopic(
            topic: "hotspotWindowStream", view: "hotspotwindow",
            messageSQL: message(window, text("pickup_centroid_location"), number("count"))),
        OutputTopic(
            topic: "fareDistributionStream", view: "faredistribution",
            messageSQL: message(window, number("bucket", as: "fare_bucket"), number("trips"), money("total_fare"))),
    ]

    /// What tells the results of a query apart: all up to the first aggregate.
    func key(of message: String) -> String {
        message.components(separatedBy: view == "tripstotal" ? ",\"trips_total\"" : "}")[0]
    }

    private static let window = #"'"window":{"start":"' || window_start || '","end":"' || window_end || '"}'"#
    private static func text(_ name: String) -> String { #"',"\#(name)":"' || "\#(name)" || '"'"# }
    private static func number(_ name: String, as key: String? = nil) -> String {
        #"',"\#(key ?? name)":' || "\#(name)""#
    }
    /// Without needless zeros; left out where there is no amount.
    private static func money(_ name: String) -> String {
        // SQLite prints a null as 0.00.
        #"CASE WHEN "\#(name)" IS NULL THEN '' ELSE ',"\#(name)":' || rtrim(rtrim(printf('%.2f', "\#(name)"), '0'), '.') END"#
    }
    private static func message(_ parts: String...) -> String {
        "'{' || ltrim(" + parts.joined(separator: " || ") + ", ',') || '}'"
    }
}
