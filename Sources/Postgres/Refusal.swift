internal import Basics
internal import Problems

/// What a server said no with.
///
/// Source: PostgreSQL 15, Appendix A, "PostgreSQL Error Codes".
struct Refusal {
    /// Five characters; "" where the library itself failed.
    var state: String
    /// One line.
    var message: String

    /// Of a text that libpq made in its verbose form: `…: FATAL:  28P01: password authentication failed for user "x"`.
    init(connecting text: String) {
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("LOCATION:") }
        // What is indented asks whether a server is there at all, below the reason.
        let reasons = lines.filter { $0.first?.isWhitespace == false }
        (state, message) = ("", reasons.last.map(String.init) ?? "no reason was given")
        // Several hosts give a line each; the last that a server said something on tells most.
        for line in lines {
            guard let match = line.firstMatch(of: /(?:FATAL|ERROR|[A-Z]+):  ([0-9A-Z]{5}): (.*)/) else { continue }
            (state, message) = (String(match.1), String(match.2))
        }
    }

    init(state: String, message: String) { (self.state, self.message) = (state, message) }

    /// - Parameters:
    ///   - place: the URL as it is shown.
    ///   - doing: `writing table "runs"`; nil for connecting.
    ///   - database: that was to be connected to.
    func problem(at place: String, doing: String?, database: String? = nil, user: String? = nil) -> Problem {
        let what = doing.map { "PostgreSQL at \"\(place)\" refused \($0)" } ?? "cannot connect to \"\(place)\""
        func make(_ code: Problem.Code, _ hint: String?) -> Problem { Problem(code, "\(what): \(message)", hint: hint) }
        switch state {
        case "28P01", "28000":
            return make(
                .noPermission,
                """
                Put the password into ~/.pgpass (mode 0600), into PGPASSWORD, or into a file for --password-file; pg_hba.conf of the server \
                says who may connect.
                """
            )
        case "3D000":
            let name = database.map(SQLText.name) ?? "…"
            return make(.configuration, "Make it: psql -d postgres -c 'CREATE DATABASE \(name)'.")
        case "42501":
            let role = user.map(SQLText.name) ?? "…"
            return make(
                .noPermission,
                """
                Let an owner of the database say: GRANT CREATE, TEMPORARY ON DATABASE \(database.map(SQLText.name) ?? "…") TO \(role); \
                for a schema that is there already: GRANT USAGE, CREATE ON SCHEMA … TO \(role), and its tables must be \(role)'s own.
                """
            )
        case "25006":
            return make(.configuration, "This server only reads, as a standby does; name the primary one.")
        case "2BP01", "0A000":
            return make(
                .configuration,
                "Something of yours in the database stands on what has to change: drop it (a view, most often), publish, and make it again."
            )
        case "22P05", "22021":
            return make(.badData, "Make the database with ENCODING 'UTF8', which holds every text.")
        case "53100": return make(.inputOutput, "The server's disk is full.")
        default: break
        }
        // The library says so of settings that it does not know the value of.
        if state.isEmpty, message.hasPrefix("invalid ") {
            return make(.usage, "Put it right in the URL, or in the variables of libpq (PG…).")
        }
        switch state.prefix(2) {
        case "22", "23": return make(.badData, nil)
        // Connections, resources, an administrator's shutdown, conflicts with others: another time.
        case "", "08", "40", "53", "55", "57", "58": return make(.unavailable, state.isEmpty ? hintOfLibrary : nil)
        default: return make(.configuration, "SQLSTATE \(state).")
        }
    }

    private var hintOfLibrary: String? {
        if message.contains("certificate") || message.contains("SSL") {
            return "sslmode, sslrootcert, sslcert and sslkey in the URL say whom to trust."
        }
        return "Is it running, and may it be reached from here? pg_isready asks."
    }
}
