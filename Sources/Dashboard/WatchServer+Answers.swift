import HTTPServer
import Problems
import Reports

// What is said where there is nothing to show, or something was done: a page to a browser, text or JSON to programs.
extension WatchServer {
    /// An answer that ends the request early.
    struct Refusal: Error {
        var status: Int
        var text: String
        var headers: [(name: String, value: String)]
        init(_ status: Int, _ text: String, headers: [(name: String, value: String)] = []) {
            (self.status, self.text, self.headers) = (status, text, headers)
        }
    }

    func answer(to error: any Error, _ request: HTTPServerRequest) -> HTTPServerResponse {
        if let problem = error as? Problem { return answer(to: problem, request) }
        let refusal = error as? Refusal ?? Refusal(500, "\(error)")
        // Who is not known yet, or comes by a foreign name, sees no page: that has the tenants' names in it.
        var response =
            [401, 421].contains(refusal.status) ? nil : page(request, refusal.status, refusal.text, hint: nil)
        response = response ?? HTTPServerResponse(refusal.status, type: Self.plain, refusal.text + "\n")
        response?.headers += refusal.headers
        return response!
    }

    private func answer(to problem: Problem, _ request: HTTPServerRequest) -> HTTPServerResponse {
        let isAction = request.method == "POST"
        let status =
            switch problem.code {
            case .noInput: 404
            case .usage: isAction ? 400 : 404
            case .configuration, .badData: isAction ? 400 : 500
            case .tryAgain: isAction ? 409 : 503
            case .noPermission: 403
            case .unavailable: 503
            default: 500
            }
        let text = problem.withPlace
        if let page = page(request, status, text, hint: problem.hint) { return page }
        if isAction {
            return HTTPServerResponse(status, type: Self.plain, text + (problem.hint.map { "\n\($0)" } ?? "") + "\n")
        }
        return HTTPServerResponse(
            status, type: Self.json, Self.encode(["error": text, "hint": problem.hint ?? ""]))
    }

    /// What a button did.
    func done(_ text: String, _ request: HTTPServerRequest) -> HTTPServerResponse {
        page(request, 200, text, hint: nil) ?? HTTPServerResponse(type: Self.plain, text + "\n")
    }

    /// A page of a tenant with a sentence on it; nil where no page was asked for.
    private func page(_ request: HTTPServerRequest, _ status: Int, _ text: String, hint: String?)
        -> HTTPServerResponse?
    {
        let parts = request.path.split(separator: "/").map(String.init)
        guard !options.isMetricsOnly, request.headers["accept"]?.contains("text/html") == true, parts.first == "t",
            parts.count > 1, (try? home.tenants().contains(parts[1])) == true
        else { return nil }
        var html =
            status == 200
            ? "<p role=\"status\">\(escaped(text))</p>" : "<p role=\"alert\" class=\"bad\">\(escaped(text))</p>"
        if let hint { html += "<p class=\"remedy\">\(escaped(hint))</p>" }
        if request.method == "POST" {
            // An action's address is that of the page whose button it is, and one word.
            let back = parts.dropLast().map(HTML.inPath).joined(separator: "/")
            html += "<p><a href=\"/\(back)\">Back</a></p>"
        }
        let title = status == 200 ? "Done" : request.method == "POST" ? "Not done" : "Nothing to show"
        var page = try? page(title, tenant: parts[1], section: parts.count > 2 ? parts[2] : "", html)
        page?.status = status
        return page
    }
}

extension Problem {
    /// Its message and those of others of the same input, each with its place.
    fileprivate var withPlace: String {
        ([self] + others).map { ($0.location.map { "\($0): " } ?? "") + $0.message }.joined(separator: "\n")
    }
}
