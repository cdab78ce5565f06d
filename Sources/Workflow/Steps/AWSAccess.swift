internal import Foundation
internal import HTTP
internal import Problems
internal import YAML

/// How a step reaches a service of AWS, or one that does as AWS does (MinIO, R2): by the variables that AWS's own tools read.
///
///     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN    who signs; the last one only for keys that expire
///     AWS_REGION, AWS_DEFAULT_REGION                                 us-east-1 where neither is set
///     AWS_ENDPOINT_URL_S3 (or _SNS), AWS_ENDPOINT_URL                 where the service is; AWS where neither is set
struct AWSAccess {
    let endpoint: String
    let signature: AWSSignature

    /// - Parameters:
    ///   - endpoint, region: what the step itself says, before the environment.
    /// - Throws: `Problem(.configuration)` where the keys are not set, or the endpoint is no URL.
    init(_ service: String, _ attempt: StepAttempt, endpoint: Template?, region: Template?) throws {
        let environment = try attempt.environment()
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let id = variable("AWS_ACCESS_KEY_ID"), let secret = variable("AWS_SECRET_ACCESS_KEY") else {
            throw Problem(
                .configuration, "no keys for \(service): AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set",
                hint: "Export them, or give the step \"env: {AWS_SECRET_ACCESS_KEY: '{{ file:PATH }}'}\" and the other."
            )
        }
        let token = variable("AWS_SESSION_TOKEN")
        attempt.log.hide(secret)
        if let token { attempt.log.hide(token) }
        let region =
            try region.map(attempt.fill) ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? "us-east-1"
        guard Self.isRegion(region) else {
            throw Problem(
                .configuration, region.isEmpty ? "the region is empty" : "\"\(region)\" is no region",
                hint: "Write one such as us-east-1, or leave it out for AWS_REGION.")
        }
        let base =
            try endpoint.map(attempt.fill) ?? variable("AWS_ENDPOINT_URL_\(service.uppercased())")
            ?? variable("AWS_ENDPOINT_URL") ?? "https://\(service).\(region).amazonaws.com"
        guard base.hasPrefix("https://") || base.hasPrefix("http://") else {
            throw Problem(.configuration, "the endpoint \"\(base)\" is no URL", hint: "Begin it with https://.")
        }
        self.endpoint = base.hasSuffix("/") ? String(base.dropLast()) : base
        signature = AWSSignature(
            AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token), region: region,
            service: service)
    }

    /// It becomes a part of a host's name and of what is signed.
    static func isRegion(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "-") }
    }

    /// Notes a region that stands in the file and is none.
    static func check(_ node: YAMLNode?, _ region: Template?, _ fields: inout StepFields) {
        guard let node, let region, region.references.isEmpty, !isRegion(region.source) else { return }
        fields.add(node.unexpected("a region", hint: "Write one such as us-east-1, or leave it out for AWS_REGION."))
    }

    /// - Returns: a problem of settings where another attempt would be refused alike.
    static func refused(_ what: String, _ response: HTTPResponse) -> Problem {
        let isPermanent = element("Code", of: response.text).map(permanent.contains) ?? false
        return Problem(isPermanent ? .configuration : .unavailable, "\(what): \(refusal(response))")
    }

    /// Codes of S3 and SNS that say who asks, or for what, and not how busy the service is. A key that is not there may come.
    private static let permanent: Set = [
        "AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationError", "EntityTooLarge",
        "InvalidAccessKeyId",
        "InvalidBucketName", "InvalidClientTokenId", "InvalidParameter", "KeyTooLongError", "NoSuchBucket", "NotFound",
        "PermanentRedirect", "SignatureDoesNotMatch",
    ]

    /// What a refusal says: `NoSuchBucket: The specified bucket does not exist (status 404)`.
    static func refusal(_ response: HTTPResponse) -> String {
        let parts = ["Code", "Message"].compactMap { element($0, of: response.text) }
        let text = parts.isEmpty ? "no reason given" : parts.joined(separator: ": ")
        return "\(text) (status \(response.status))"
    }

    /// The text of the first element of that name; answers of AWS are small and have no element of these names inside another.
    static func element(_ name: String, of xml: String) -> String? {
        guard let open = xml.range(of: "<\(name)>"),
            let close = xml.range(of: "</\(name)>", range: open.upperBound..<xml.endIndex)
        else { return nil }
        return String(xml[open.upperBound..<close.lowerBound])
    }
}
