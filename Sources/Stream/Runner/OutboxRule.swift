/// What a start does about the messages that a stream sent last, by what the mark beside them, the outbox and their topics say.
///
/// The whole of it is a table in docs/decisions/0016-whom-the-outbox-is-for.md.
enum OutboxRule {
    /// The mark that the store keeps beside a stream's messages, against the account that its results give of them.
    enum Mark: CaseIterable {
        /// There is none: nothing was sent yet, or a cluster has forgotten it.
        case none
        /// Of messages further back than the last but one.
        case stale
        /// Of the messages before the last.
        case older
        /// Of the last messages.
        case same
        /// Of messages that the results know nothing of.
        case newer
        /// Of another results.db.
        case foreign
    }

    /// The last messages in the outbox.
    enum Waiting: CaseIterable {
        /// It is empty: they were acknowledged.
        case none
        /// Their topics do not have them.
        case pending
        /// Their topics have them.
        case sent
        /// So much of the topics is gone that nobody can tell.
        case unknown
    }

    /// The topics that earlier messages went to.
    enum Topics: CaseIterable {
        case same
        /// Made anew, or gone.
        case recreated
        /// End before messages that were acknowledged.
        case shorter
    }

    enum Verdict: Equatable {
        /// Nothing is to be sent.
        case done
        case send
        case refuse(Refusal)
    }

    enum Refusal {
        /// Another results.db sends there.
        case foreign
        /// The topics have later messages than the results.
        case ahead
        /// The topics lack messages that were sent.
        case behind
        /// Nobody can tell whether the last messages were sent.
        case unclear
    }

    /// - Parameter forgets: whether the store may forget a mark by and by.
    static func verdict(_ mark: Mark, _ waiting: Waiting, _ topics: Topics, forgets: Bool) -> Verdict {
        switch (mark, waiting, topics) {
        case (.foreign, _, _): .refuse(.foreign)
        case (.newer, _, _): .refuse(.ahead)
        case (.stale, _, _), (_, _, .recreated), (_, _, .shorter): .refuse(.behind)
        // Somebody has moved the mark: a transaction takes it along with the messages.
        case (.same, .pending, _): .refuse(.behind)
        case (.same, _, _): .done
        case (.older, .none, _): .refuse(.behind)
        // A topic that cannot tell leaves it to the mark.
        case (.older, .pending, _), (.older, .unknown, _): .send
        case (_, .sent, _): .done
        // What is acknowledged leaves the outbox, so that a forgotten mark is no reason to send it again.
        case (.none, .none, _): forgets ? .done : .refuse(.behind)
        case (.none, .pending, _): .send
        case (.none, .unknown, _): .refuse(.unclear)
        }
    }
}
