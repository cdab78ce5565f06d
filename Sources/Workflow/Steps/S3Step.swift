internal import Basics
internal import Foundation
internal import HTTP
internal import Problems
internal import YAML

/// `s3: {put: FILE, to: s3://bucket/key}` or `s3: {get: s3://bucket/key, to: FILE}`.
///
/// The bucket stands in the path, not in the host's name, which every service of that kind understands. A file is sent and received
/// piece by piece; one that is received appears when it is whole.
struct S3Step: StepAction {
    static let kind = "s3"
    static let outputs = ["bytes", "etag"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in
        try S3Step(declaration.value)
    }

    let isPut: Bool
    /// The file that is put, or the object that is got.
    let from: Template
    let to: Template
    let endpoint: Template?
    let region: Template?
    let contentType: Template?

    init(_ node: YAMLNode) throws(Problem) {
        var fields = StepFields(node, keys: ["put", "get", "to", "endpoint", "region", "content_type"], of: Self.kind)
        let (put, get) = (fields.template("put"), fields.template("get"))
        let to = fields.required("to")
        (endpoint, region, contentType) = (
            fields.template("endpoint"), fields.template("region"), fields.template("content_type")
        )
        switch (node["put"], node["get"]) {
        case (_?, let object?): fields.add(object.problem("an s3 step either puts or gets"))
        case (nil, nil): fields.add(node.problem("expected \"put\" or \"get\" in the s3 step"))
        default: break
        }
        if let place = node["content_type"], node["put"] == nil {
            fields.add(place.problem("\"content_type\" is of an object that is put"))
        }
        AWSAccess.check(node["region"], region, &fields)
        // What only a run can fill in is looked at then.
        let (object, place) = node["put"] == nil ? (get, node["get"]) : (to, node["to"])
        if let object, let place, object.references.isEmpty, S3Object(object.source) == nil {
            fields.add(place.unexpected("an object", hint: "Write s3://bucket/key."))
        }
        isPut = put != nil
        (from, self.to) = (try fields.checked(put ?? get), try fields.checked(to))
    }

    var templates: [Template] { [from, to] + [endpoint, region, contentType].compactMap { $0 } }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        let name = try attempt.fill(isPut ? to : from)
        guard let object = S3Object(name) else {
            throw Problem(.configuration, "\"\(name)\" is no object", hint: "Write s3://bucket/key.")
        }
        let access = try AWSAccess("s3", attempt, endpoint: endpoint, region: region)
        var request = HTTPRequest(isPut ? "PUT" : "GET", "\(access.endpoint)/\(object.path)")
        request.signature = access.signature
        let file = try attempt.path(filling: isPut ? from : to)
        if isPut {
            let type = try contentType.map(attempt.fill) ?? Self.contentType(of: file)
            request.headers = [.init("Content-Type", type)]
            request.body = .file(path: file)
        } else {
            request.destination = file
        }
        return try attempt.send(request) { response in
            guard response.isSuccess else {
                throw AWSAccess.refused("S3 refused to \(isPut ? "put" : "get") \(object)", response)
            }
            let sent = isPut ? response.sentBytes : response.bodyBytes
            let etag = response["ETag"]?.filter { $0 != "\"" } ?? ""
            attempt.log.add(line: "\(isPut ? "\(file) → \(object)" : "\(object) → \(file)"), \(sent) bytes")
            return AttemptEnd(state: .success, outputs: ["bytes": "\(sent)", "etag": etag])
        }
    }

    /// What a browser is told the object is.
    private static func contentType(of file: String) -> String {
        switch (file as NSString).pathExtension.lowercased() {
        case "html", "htm": "text/html; charset=utf-8"
        case "csv": "text/csv; charset=utf-8"
        case "txt", "log", "sql", "yaml", "yml": "text/plain; charset=utf-8"
        case "json": "application/json"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        case "gz": "application/gzip"
        case "zst": "application/zstd"
        default: "application/octet-stream"
        }
    }
}

/// `s3://bucket/key`
struct S3Object: CustomStringConvertible {
    let bucket: String
    let key: String

    /// nil where it is none: no bucket of 3 to 63 lower-case letters, digits, `.` and `-`, or no key.
    init?(_ text: String) {
        guard text.hasPrefix("s3://") else { return nil }
        let rest = text.dropFirst(5)
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        (bucket, key) = (String(rest[..<slash]), String(rest[rest.index(after: slash)...]))
        let isBucket = bucket.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789.-".utf8.contains($0) }
        guard isBucket, (3...63).contains(bucket.utf8.count), !key.isEmpty, key.utf8.count <= 1024 else { return nil }
    }

    var path: String { "\(bucket)/\(percentEncoded(key.utf8, keeping: "/"))" }
    var description: String { "s3://\(bucket)/\(key)" }
}
