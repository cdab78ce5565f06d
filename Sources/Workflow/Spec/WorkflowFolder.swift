internal import Foundation
public import Problems
internal import YAML

/// What steps may say that only the features know which run them; nil is not checked before a step runs.
public struct StepVocabulary: Sendable {
    /// Something that a tenant declares in files of its own.
    public struct Names: Sendable {
        /// Where they stand: where that changes, workflows may mean something else.
        let path: String
        let read: @Sendable () throws(Problem) -> [String]

        /// - Parameter read: gives the names; throws what is wrong with their files.
        public init(path: String, read: @escaping @Sendable () throws(Problem) -> [String]) {
            (self.path, self.read) = (path, read)
        }
    }

    /// Analyses besides those of taxi-cli.
    public var analyses: Names?
    public var models: Names?
    /// Throws where a text is no choice of periods.
    public var checkPeriods: (@Sendable (String) throws(Problem) -> Void)?

    public init() {}

    var paths: [String] { [analyses, models].compactMap { $0?.path } }
}

/// The workflows of a tenant: the YAML files of `<home>/<tenant>/workflows`, but for `workflows.yaml`, which holds what they share.
public struct WorkflowFolder: Sendable {
    public static let sharedFile = "workflows.yaml"

    public let path: String
    /// The zone of workflows that name none.
    public let zone: String
    public let vocabulary: StepVocabulary

    public init(path: String, zone: String, vocabulary: StepVocabulary = StepVocabulary()) {
        (self.path, self.zone, self.vocabulary) = (path, zone, vocabulary)
    }

    /// Reads a file of this folder, or one that might lie in it.
    func load(file: String, shared: SharedSettings?) throws(Problem) -> WorkflowSpec {
        try WorkflowSpec.load(path: file, zone: zone, shared: shared, vocabulary: vocabulary)
    }

    /// The paths of the files, in alphabetical order; none where there is no such folder.
    public var files: [String] {
        let names = Files.names(in: path) ?? []
        return names.sorted().filter { Self.isWorkflow($0) }.map { "\(path)/\($0)" }.filter { file in
            // A link that leads nowhere is a workflow that somebody misses.
            YAMLNode.isPlainFile(file) || access(file, F_OK) != 0
        }
    }

    static func isWorkflow(_ name: String) -> Bool {
        (name.hasSuffix(".yaml") || name.hasSuffix(".yml")) && !name.hasPrefix(".") && name != sharedFile
    }

    /// What the workflows share; nothing where there is no such file.
    public func shared() throws(Problem) -> SharedSettings {
        let file = "\(path)/\(Self.sharedFile)"
        guard Files.exists(file) else { return SharedSettings() }
        return try SharedSettings.load(path: file)
    }

    /// Each file with its workflow, or what is wrong with it; of two files that give one name the second is wrong.
    public func all() -> [(file: String, workflow: Result<WorkflowSpec, Problem>)] {
        var owners: [String: String] = [:]
        let shared = Result { () throws(Problem) in try self.shared() }
        var all: [(file: String, workflow: Result<WorkflowSpec, Problem>)] = []
        if case .failure(let problem) = shared { all.append(("\(path)/\(Self.sharedFile)", .failure(problem))) }
        return all
            + files.map { file in
                do throws(Problem) {
                    let spec = try load(file: file, shared: try? shared.get())
                    if let owner = owners[spec.name] { throw Self.duplicate(spec.name, file, owner) }
                    owners[spec.name] = file
                    return (file, .success(spec))
                } catch {
                    return (file, .failure(error))
                }
            }
    }

    /// The workflow of a file, where the text is one's path, else the one of this name.
    ///
    /// - Throws: what `WorkflowSpec.load` throws; `.noInput` where there is no such workflow, with the nearest name.
    public func load(_ text: String) throws(Problem) -> WorkflowSpec {
        if text.hasSuffix(".yaml") || text.hasSuffix(".yml") || text.contains("/") {
            return try load(file: text, shared: try shared())
        }
        _ = try shared()
        let all = all()
        var names: [String] = []
        for case (_, .success(let spec)) in all {
            if spec.name == text { return spec }
            names.append(spec.name)
        }
        // A file that is called so and has mistakes in it is what was meant.
        for case (let file, .failure(let problem)) in all where Self.name(of: file) == text { throw problem }
        let near = nearestName(to: text, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
        throw Problem(
            .noInput, "there is no workflow \"\(text)\" in \"\(path)\"",
            hint: near
                + (names.isEmpty
                    ? "Put a file NAME.yaml there, or name a FILE.yaml." : "taxi-cli workflow list shows all."))
    }

    /// What a workflow is called whose file has mistakes in it.
    public static func name(of file: String) -> String {
        ((file as NSString).lastPathComponent as NSString).deletingPathExtension
    }

    private static func duplicate(_ name: String, _ file: String, _ owner: String) -> Problem {
        Problem(
            .configuration, "\"\(file)\" gives the name \"\(name)\", which \"\(owner)\" has already",
            hint: "Give one of them another name.")
    }
}
