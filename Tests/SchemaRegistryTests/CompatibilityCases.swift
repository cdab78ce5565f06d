import Testing

/// Two schemas of a subject, and whether the new one reads what the old one has written (backward) and the other way round (forward).
struct CompatibilityCase: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var old: String
    var new: String
    var backward: Bool
    var forward: Bool

    init(_ description: String, _ old: String, _ new: String, backward: Bool, forward: Bool) {
        (testDescription, self.old, self.new) = (description, old, new)
        (self.backward, self.forward) = (backward, forward)
    }

    private static func record(_ fields: String..., name: String = "T", more: String = "") -> String {
        #"{"type":"record","name":"\#(name)"\#(more),"fields":[\#(fields.joined(separator: ","))]}"#
    }
    private static func field(_ name: String, _ type: String, _ more: String = "") -> String {
        #"{"name":"\#(name)","type":\#(type)\#(more.isEmpty ? "" : ",\(more)")}"#
    }
    private static func of(_ type: String) -> String { record(field("a", type)) }
    private static let a = field("a", #""int""#)
    private static let b = field("b", #""int""#)
    private static let bWithDefault = field("b", #""int""#, #""default":0"#)
    private static func symbols(_ list: String, _ more: String = "", name: String = "E") -> String {
        #"{"type":"enum","name":"\#(name)","symbols":[\#(list)]\#(more)}"#
    }
    private static func fixed(_ size: Int, name: String = "F", _ more: String = "") -> String {
        #"{"type":"fixed","name":"\#(name)","size":\#(size)\#(more)}"#
    }
    private static func array(_ items: String) -> String { #"{"type":"array","items":\#(items)}"# }
    private static func map(_ values: String) -> String { #"{"type":"map","values":\#(values)}"# }
    private static func decimal(_ scale: Int) -> String {
        #"{"type":"bytes","logicalType":"decimal","precision":18,"scale":\#(scale)}"#
    }
    private static func logical(_ type: String, _ logical: String) -> String {
        #"{"type":"\#(type)","logicalType":"\#(logical)"}"#
    }
    private static let list = record(field("a", #""int""#), field("next", #"["null","T"]"#))

    static let all: [CompatibilityCase] = [
        // Fields.
        .init("the same schema", record(a), record(a), backward: true, forward: true),
        .init("a field with a default", record(a), record(a, bWithDefault), backward: true, forward: true),
        .init("a field without a default", record(a), record(a, b), backward: false, forward: true),
        .init("a field removed", record(a, b), record(a), backward: true, forward: false),
        .init("a field with a default removed", record(a, bWithDefault), record(a), backward: true, forward: true),
        .init("a default removed", record(a, bWithDefault), record(a, b), backward: true, forward: true),
        .init("a default added", record(a, b), record(a, bWithDefault), backward: true, forward: true),
        .init("fields in another order", record(a, b), record(b, a), backward: true, forward: true),
        .init("a rename", record(a), record(b), backward: false, forward: false),
        .init(
            "a rename with an alias", record(a), record(field("b", #""int""#, #""aliases":["a"]"#)), backward: true,
            forward: false),
        .init(
            "a rename with an alias and a default", record(field("a", #""int""#, #""default":1"#)),
            record(field("b", #""int""#, #""aliases":["a"],"default":1"#)), backward: true, forward: true),
        .init(
            "documentation and order", record(a), record(field("a", #""int""#, #""doc":"x","order":"ignore""#)),
            backward: true, forward: true),
        .init("no fields any more", record(a), record(), backward: true, forward: false),
        .init(
            "a nullable field with a default", record(a),
            record(a, field("b", #"["null","int"]"#, #""default":null"#)), backward: true, forward: true),
        .init(
            "a nullable field without a default", record(a), record(a, field("b", #"["null","int"]"#)),
            backward: false, forward: true),
        // Numbers and texts.
        .init("int to long", of(#""int""#), of(#""long""#), backward: true, forward: false),
        .init("int to float", of(#""int""#), of(#""float""#), backward: true, forward: false),
        .init("int to double", of(#""int""#), of(#""double""#), backward: true, forward: false),
        .init("long to float", of(#""long""#), of(#""float""#), backward: true, forward: false),
        .init("long to double", of(#""long""#), of(#""double""#), backward: true, forward: false),
        .init("float to double", of(#""float""#), of(#""double""#), backward: true, forward: false),
        .init("string to bytes", of(#""string""#), of(#""bytes""#), backward: true, forward: true),
        .init("int to string", of(#""int""#), of(#""string""#), backward: false, forward: false),
        .init("boolean to int", of(#""boolean""#), of(#""int""#), backward: false, forward: false),
        .init("null to string", of(#""null""#), of(#""string""#), backward: false, forward: false),
        .init("long to bytes", of(#""long""#), of(#""bytes""#), backward: false, forward: false),
        .init("a root of another type", #""int""#, #""string""#, backward: false, forward: false),
        .init("a root that is promoted", #""int""#, #""double""#, backward: true, forward: false),
        // Unions.
        .init("a type to a union with it", of(#""int""#), of(#"["null","int"]"#), backward: true, forward: false),
        .init(
            "a type to a union without it", of(#""int""#), of(#"["null","string"]"#), backward: false, forward: false),
        .init(
            "a type to a union that takes it", of(#""int""#), of(#"["null","long"]"#), backward: true, forward: false),
        .init(
            "a branch removed", of(#"["null","int","string"]"#), of(#"["null","int"]"#), backward: false,
            forward: true),
        .init(
            "a branch added", of(#"["null","int"]"#), of(#"["null","int","string"]"#), backward: true,
            forward: false),
        .init(
            "branches in another order", of(#"["null","int"]"#), of(#"["int","null"]"#), backward: true, forward: true),
        .init("a union to its only type", of(#"["int"]"#), of(#""int""#), backward: true, forward: true),
        .init("a union to one of its types", of(#"["null","int"]"#), of(#""int""#), backward: false, forward: true),
        .init(
            "a union whose types are all promoted", of(#"["int","long"]"#), of(#""double""#), backward: true,
            forward: false),
        .init(
            "bytes in a union for strings", of(#"["null","string"]"#), of(#"["null","bytes"]"#), backward: true,
            forward: true),
        .init(
            "a root union that grows", #"["null","int"]"#, #"["null","int","string"]"#, backward: true, forward: false),
        .init(
            "a record in a union gets a default field", of("[\"null\",\(record(a, name: "R"))]"),
            of("[\"null\",\(record(a, bWithDefault, name: "R"))]"), backward: true, forward: true),
        .init(
            "a record in a union gets a field", of("[\"null\",\(record(a, name: "R"))]"),
            of("[\"null\",\(record(a, b, name: "R"))]"), backward: false, forward: true),
        // Enums.
        .init("a symbol added", of(symbols(#""A""#)), of(symbols(#""A","B""#)), backward: true, forward: false),
        .init("a symbol removed", of(symbols(#""A","B""#)), of(symbols(#""A""#)), backward: false, forward: true),
        .init(
            "a symbol removed with a default", of(symbols(#""A","B""#)), of(symbols(#""A""#, #","default":"A""#)),
            backward: true, forward: true),
        .init(
            "a symbol added beside a default", of(symbols(#""A""#, #","default":"A""#)),
            of(symbols(#""A","B""#, #","default":"A""#)), backward: true, forward: true),
        .init(
            "symbols in another order", of(symbols(#""A","B""#)), of(symbols(#""B","A""#)), backward: true,
            forward: true),
        .init(
            "an enum of another name", of(symbols(#""A""#)), of(symbols(#""A""#, name: "G")), backward: false,
            forward: false),
        .init(
            "an enum of another name with an alias", of(symbols(#""A""#)),
            of(symbols(#""A""#, #","aliases":["E"]"#, name: "G")), backward: true, forward: false),
        .init("an enum to a string", of(symbols(#""A""#)), of(#""string""#), backward: false, forward: false),
        // Fixed.
        .init("a fixed of another size", of(fixed(4)), of(fixed(8)), backward: false, forward: false),
        .init("a fixed of another name", of(fixed(4)), of(fixed(4, name: "G")), backward: false, forward: false),
        .init(
            "a fixed of another name with an alias", of(fixed(4)), of(fixed(4, name: "G", #","aliases":["F"]"#)),
            backward: true, forward: false),
        .init("a fixed to bytes", of(fixed(4)), of(#""bytes""#), backward: false, forward: false),
        // Arrays and maps.
        .init("items that are promoted", of(array(#""int""#)), of(array(#""long""#)), backward: true, forward: false),
        .init("items of another type", of(array(#""int""#)), of(array(#""string""#)), backward: false, forward: false),
        .init("values that are promoted", of(map(#""int""#)), of(map(#""double""#)), backward: true, forward: false),
        .init("values of another type", of(map(#""int""#)), of(map(#""boolean""#)), backward: false, forward: false),
        .init("an array to a map", of(array(#""int""#)), of(map(#""int""#)), backward: false, forward: false),
        .init(
            "items that get a default field", of(array(record(a, name: "R"))),
            of(array(record(a, bWithDefault, name: "R"))), backward: true, forward: true),
        .init(
            "items that get a field", of(array(record(a, name: "R"))), of(array(record(a, b, name: "R"))),
            backward: false, forward: true),
        // Names.
        .init("a record of another name", record(a), record(a, name: "U"), backward: false, forward: false),
        .init(
            "a record of another name with an alias", record(a), record(a, name: "U", more: #","aliases":["T"]"#),
            backward: true, forward: false),
        .init(
            "a record in another namespace", record(a, name: "x.T"), record(a, name: "y.T"), backward: true,
            forward: true),
        .init(
            "a namespace written another way", record(a, name: "x.T"), record(a, more: #","namespace":"x""#),
            backward: true, forward: true),
        .init(
            "an inner record of another name", of(record(a, name: "R")), of(record(a, name: "S")), backward: false,
            forward: false),
        // Records within records, and in circles.
        .init("a list", list, list, backward: true, forward: true),
        .init(
            "a list whose value is promoted", list,
            record(field("a", #""long""#), field("next", #"["null","T"]"#)), backward: true, forward: false),
        .init(
            "a list that gets a field", list, record(a, field("next", #"["null","T"]"#), b), backward: false,
            forward: true),
        .init(
            "a field deep inside", of(record(field("r", record(a, name: "Q")), name: "R")),
            of(record(field("r", record(a, b, name: "Q")), name: "R")), backward: false, forward: true),
        // Logical types.
        .init("a decimal of another scale", of(decimal(2)), of(decimal(4)), backward: true, forward: true),
        .init(
            "a long that becomes a timestamp", of(#""long""#), of(logical("long", "timestamp-millis")), backward: true,
            forward: true),
        .init(
            "a timestamp in microseconds", of(logical("long", "timestamp-millis")),
            of(logical("long", "timestamp-micros")), backward: true, forward: true),
        .init("a date to an int", of(logical("int", "date")), of(#""int""#), backward: true, forward: true),
        .init("a uuid to a string", of(logical("string", "uuid")), of(#""string""#), backward: true, forward: true),
    ]
}
