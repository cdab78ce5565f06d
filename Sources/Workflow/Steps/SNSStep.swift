internal import Basics
internal import Foundation
internal import HTTP
internal import Problems
internal import YAML

/// `sns: {topic: ARN, message: TEXT, subject: TEXT}`: publishes a message; `message_id` is its output.
struct SNSStep: StepAction {
    static let kind = "sns"
    static let outputs = ["message_id"]
    static let declared = StepKind(kind) { (declaration) throws(Problem) in
        try SNSStep(declaration.value)
    }

    let topic: Template
    let message: Template
    let subject: Template?
    let endpoint: Template?
    let region: Template?

    init(_ node: YAMLNode) throws(Problem) {
        var fields = StepFields(node, keys: ["topic", "message", "subject", "endpoint", "region"], of: Self.kind)
        let topic = fields.required("topic")
        let message = fields.required("message")
        (subject, endpoint, region) = (
            fields.template("subject"), fields.template("endpoint"), fields.template("region")
        )
        AWSAccess.check(node["region"], region, &fields)
        for (key, template, check) in [
            ("subject", subject, SNSText.mistakeInSubject), ("message", message, SNSText.mistakeInMessage),
        ] {
            guard let place = node[key], let template, let (mistake, hint) = check(template) else { continue }
            fields.add(place.problem(mistake, hint: hint))
        }
        // What only a run can fill in is looked at then.
        if let place = node["topic"], let topic, topic.references.isEmpty, Self.region(of: topic.source) == nil {
            fields.add(
                place.unexpected("the ARN of a topic", hint: "Write arn:aws:sns:us-east-1:123456789012:NAME."))
        }
        (self.topic, self.message) = (try fields.checked(topic), try fields.checked(message))
    }

    var templates: [Template] { [topic, message] + [subject, endpoint, region].compactMap { $0 } }

    /// The region in `arn:aws:sns:REGION:ACCOUNT:NAME`; nil where it is no topic's.
    private static func region(of arn: String) -> String? {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "sns", !parts[3].isEmpty, !parts[5].isEmpty else {
            return nil
        }
        return String(parts[3])
    }

    func run(_ attempt: StepAttempt) throws -> AttemptEnd {
        let topic = try attempt.fill(topic)
        guard let home = Self.region(of: topic) else {
            throw Problem(
                .configuration, "\"\(topic)\" is no topic of SNS",
                hint: "Write arn:aws:sns:us-east-1:123456789012:NAME.")
        }
        // A topic is only known in its own region.
        let access = try AWSAccess(
            "sns", attempt, endpoint: endpoint, region: region ?? Template(text: home))
        var fields = [
            ("Action", "Publish"), ("Version", "2010-03-31"), ("TopicArn", topic),
            ("Message", try SNSText.message(attempt.fill(message), attempt.log)),
        ]
        if let subject { fields.append(("Subject", try SNSText.subject(attempt.fill(subject), attempt.log))) }
        let body = fields.map { "\($0)=\(percentEncoded($1.utf8))" }.joined(separator: "&")
        var request = HTTPRequest(
            "POST", "\(access.endpoint)/", headers: [.init("Content-Type", "application/x-www-form-urlencoded")],
            body: .bytes(Array(body.utf8)))
        request.signature = access.signature
        return try attempt.send(request) { response in
            guard response.isSuccess, let id = AWSAccess.element("MessageId", of: response.text) else {
                throw AWSAccess.refused("SNS refused the message to \(topic)", response)
            }
            attempt.log.add(line: "message \(id)")
            return AttemptEnd(state: .success, outputs: ["message_id": id])
        }
    }
}
