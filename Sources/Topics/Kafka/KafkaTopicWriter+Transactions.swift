import Glibc
import Kafka
import Problems
import Telemetry

/// Appends with a mark, each of which is a transaction of the producer that this process has taken over.
extension KafkaTopicWriter {
    /// A producer that this process has taken over.
    struct Session {
        /// Nil where appends make no transactions.
        var transactions: KafkaProducer?
        /// The newest mark that is stored.
        var last: ProducerMark?
        /// Where marks without a progress of their own are kept.
        var anchor: ProducerMark.Progress?
    }

    /// One transaction, however often it takes.
    func commit(_ batches: [PendingBatch], _ offsets: [KafkaOffset], _ mark: ProducerMark) throws {
        var pauseMs: UInt32 = 10
        while true {
            guard let producer = sessions[mark.producer]?.transactions else {
                throw Problem(.software, "producer \"\(mark.producer)\" was not taken over")
            }
            let start = ContinuousClock.now
            do {
                try sender.check(batches, on: producer)
                try producer.begin()
                try send(batches, with: producer) {
                    try producer.send(
                        offsets: offsets, group: marks.group(of: mark.producer), onWaiting: noteWaiting)
                    try producer.commit(onWaiting: noteWaiting)
                }
                noteProgress()
                note(producer.takeEnds())
                return
            } catch let error as KafkaError {
                log.debug("transaction failed", ["reason": error.message, "kind": "\(error.kind)"])
                if error.kind == .givenUp { throw error }
                let isLess = sender.tighten(batches, after: error)
                if error.isRefusalOfContent, !isLess { throw error }
                if error.kind == .fenced { try checkOwnership(of: mark, on: producer, since: start) }
                guard error.kind != .other || error.isConnection || isLess else { throw error }
                if !isLess { try noteWaiting(error) }
                let isAborted = error.kind == .needsAbort && (try? producer.abort(onWaiting: noteWaiting)) != nil
                if !isAborted {
                    // Only a new client can go on. It sees whether the old one's last transaction was committed.
                    let ends = producer.takeEnds()
                    sessions[mark.producer] = nil
                    sessions[mark.producer] = try reopen(mark.producer)
                    guard try isNew(mark, after: sessions[mark.producer]?.last) else {
                        note(ends)
                        return
                    }
                }
                usleep(pauseMs * 1000)
                pauseMs = min(pauseMs * 2, 1000)
            }
        }
    }

    /// Whether what the mark stands for was not appended yet.
    func isNew(_ mark: ProducerMark, after last: ProducerMark?) throws -> Bool {
        guard let last else { return true }
        guard mark.epoch >= last.epoch else { throw takenOver(mark.producer) }
        return (mark.epoch, mark.sequence) > (last.epoch, last.sequence)
    }

    /// A producer is also fenced where the broker gave up its transaction because of the time that it took: then nobody else has come.
    private func checkOwnership(
        of mark: ProducerMark, on producer: KafkaProducer, since start: ContinuousClock.Instant
    ) throws {
        let limit = Duration.milliseconds(producer.transactionTimeoutMs ?? 0)
        guard start.duration(to: .now) > limit / 2 else { throw takenOver(mark.producer) }
        if let last = try? marks.last(of: mark.producer, isSettled: true), last.epoch > mark.epoch {
            throw takenOver(mark.producer)
        }
    }

    private func takenOver(_ producer: String) -> Problem {
        Problem(
            .unavailable, "a newer process has taken over as producer \"\(producer)\"; this one stops",
            hint: "Run one at a time. What this process had appended is stored, and the newer one goes on from there.")
    }

    /// Takes a producer's name over from whoever had it, and looks at the mark that it has left.
    func open(_ producer: String) throws -> Session {
        var session = Session()
        if delivery == .exactlyOnce {
            let transactions = try KafkaProducer(
                configuration, transactionalID: marks.group(of: producer), seal: \.seal)
            try transactions.client.connect()
            try transactions.initTransactions()
            session.transactions = transactions
        }
        session.last = try marks.last(of: producer, isSettled: true)
        session.anchor = session.last?.progress
        sessions[producer] = session
        return session
    }

    /// The same after a failure: waits for the cluster as long as it takes.
    private func reopen(_ producer: String) throws -> Session {
        while true {
            do {
                return try open(producer)
            } catch let error as KafkaError where error.isConnection || error.kind == .retriable {
                try noteWaiting(error)
            } catch let problem as Problem where problem.code == .unavailable {
                try noteWaiting(nil)
            }
            try KafkaPatience.check(since: wait.since ?? .now)
            usleep(200_000)
        }
    }
}
