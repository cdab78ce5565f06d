public import Problems
public import YAML

/// Headers of requests that a file declares, whose secrets stand elsewhere: in the environment, or in files of mode 0600.
public struct SecretHeaders: Sendable {
    private let headers: StepHeaders
    /// Where relative paths of secret files begin.
    private let folder: String

    /// - Throws: `.configuration` where a secret stands in the file itself, or a template names what only runs of workflows have.
    public init(_ node: YAMLNode?, folder: String) throws(Problem) {
        headers = try StepHeaders(node)
        self.folder = folder
        for (header, template) in headers.all {
            for (reference, offset) in template.references {
                switch reference {
                case .environment, .file: continue
                default:
                    throw (node?[header] ?? node)?.problem(
                        "this cannot be filled in outside of a workflow", atByteOfText: offset,
                        hint: "Known here: env.NAME, file:PATH.")
                        ?? Problem(.configuration, "header \"\(header)\" cannot be filled in")
                }
            }
        }
    }

    public var names: [String] { headers.all.map(\.name) }

    /// The headers as they are sent, and what of them must not be shown.
    public struct Filled: Sendable {
        public var headers: [(name: String, value: String)]
        private let mask: SecretMask

        fileprivate init(_ headers: [(name: String, value: String)], secrets: [String]) {
            (self.headers, mask) = (headers, SecretMask(secrets))
        }

        /// A text with `***` for each secret in it.
        public func masked(_ text: String) -> String { mask.masked(text) }

        /// A JSON text whose texts are masked, each by itself: it stays JSON.
        public func maskedJSON(_ text: String) throws -> String { try mask.maskedJSON(text) }

        public var hasSecrets: Bool { !mask.isEmpty }
    }

    /// - Throws: `.configuration` for a variable that is not set; what `SecretFile.read` throws.
    public func fill(_ environment: [String: String]) throws(Problem) -> Filled {
        var values = TemplateValues(params: [:], steps: [:], environment: environment)
        var secrets: [String] = []
        for (reference, _) in headers.templates.flatMap(\.references) {
            switch reference {
            case .environment(let name): secrets += environment[name].map { [$0] } ?? []
            case .file(let path):
                let secret = try SecretFile.read(path.hasPrefix("/") ? path : "\(folder)/\(path)")
                values.files[path] = secret
                secrets.append(secret)
            default: continue
            }
        }
        var filled: [(name: String, value: String)] = []
        for (name, template) in headers.all {
            do throws(Unfilled) { filled.append((name, try values.fill(template))) } catch {
                throw Problem(
                    .configuration, "header \"\(name)\": \(error)", hint: "Set the variable for whoever sends it.")
            }
        }
        return Filled(filled, secrets: secrets)
    }
}
