/// Who signs a request, for which service (AWS Signature Version 4, made by libcurl).
public struct AWSSignature: Sendable {
    public var credentials: AWSCredentials
    /// `us-east-1`
    public var region: String
    /// `s3`, `sns`
    public var service: String

    public init(_ credentials: AWSCredentials, region: String, service: String) {
        (self.credentials, self.region, self.service) = (credentials, region, service)
    }
}

public struct AWSCredentials: Sendable {
    public var accessKeyID: String
    public var secretAccessKey: String
    /// nil for keys that do not expire.
    public var sessionToken: String?

    public init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
        (self.accessKeyID, self.secretAccessKey, self.sessionToken) = (accessKeyID, secretAccessKey, sessionToken)
    }
}
