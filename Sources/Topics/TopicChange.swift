import Problems

/// What readers and writers say of a topic that is not any more what it was.
extension Problem {
    static func deletedWhileWritten(_ topic: String) -> Problem {
        Problem(
            .unavailable, "topic \"\(topic)\" was deleted while it was written to",
            hint: "Run the command again: it makes the topic anew, or says what else can be done.")
    }

    static func deletedWhileRead(_ topic: String) -> Problem {
        Problem(
            .noInput, "topic \"\(topic)\" was deleted while it was read",
            hint: "Run the command again if the topic was made anew.")
    }

    /// - Parameter reason: by what it shows.
    static func madeAnewWhileRead(_ topic: String, _ reason: String) -> Problem {
        Problem(
            .badData, "topic \"\(topic)\" was made anew while it was read: \(reason)",
            hint:
                "Compute the results anew from what this one holds: taxi-cli stream --from-beginning. Without that no stream goes on in it."
        )
    }
}
