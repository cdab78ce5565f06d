import Problems
import Testing

@testable import Workflow

/// A region becomes a part of a host's name and of what is signed.
@Suite struct RegionTests {
    @Test(arguments: ["\"\"", "", "EU", "eu west", "0.0.0.0"])
    func whatIsNoRegionIsAMistakeInTheFile(_ region: String) throws {
        let problem = #expect(throws: Problem.self) {
            try Stage("steps:\n  a: {s3: {put: in.csv, to: s3://bucket/key, region: \(region)}}")
        }
        #expect(problem?.code == .configuration)
        let message = problem?.message ?? ""
        #expect(message.contains("a region") || message.contains("text"), "\(message)")
    }

    /// An address that would be nowhere is never asked for.
    @Test(arguments: ["", "eu/../west", "EU"]) func whatAParameterMakesOfItIsRefusedBeforeAnythingIsSigned(
        _ region: String
    ) throws {
        let stage = try Stage(
            "params: {region: eu}\nsteps:\n  a: {s3: {get: s3://bucket/key, to: out, region: \"{{ params.region }}\"}}")
        stage.environment["AWS_ACCESS_KEY_ID"] = "id"
        stage.environment["AWS_SECRET_ACCESS_KEY"] = "secret"
        stage.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
        let result = try stage.runner.run(nil, trigger: .manual, params: ["region": region])
        let error = try stage.history.attempts(of: result.run.id).first?.error ?? ""
        #expect(error.contains(region.isEmpty ? "the region is empty" : "is no region"), "\(error)")
    }
}
