import Database
import ML
import SQLite
import Stream
import Telemetry

extension TenantLook {
    /// How long the service of a model may fail before that is more than a warning.
    static let modelPatienceMs: Int64 = 120_000

    /// How the services of models are: a warning at first, and a rule that does not hold where it stays so.
    ///
    /// One that is not declared any more is nobody's concern; where the declarations cannot be read all are.
    mutating func judgeModels(on connection: Connection, _ home: TenantHome) throws {
        let troubled = try ModelStatus.all(on: connection).filter { $0.batchesSetAside > 0 || $0.failures > 0 }
        // Each look of a dashboard comes by here, and nobody's declarations have to be read for it.
        if troubled.isEmpty { return }
        let declared = ModelCatalog.namesIfReadable(path: "\(home.path)/ml.yaml", zone: zone)
        for model in troubled where declared?.contains(model.model) != false {
            if model.batchesSetAside > 0 {
                status?.warnings.append(
                    "\(model.batchesSetAside) batches of model \"\(model.model)\" were set aside; taxi-cli ml history \(model.model) says why"
                )
            }
            guard model.failures > 0, let since = model.failingSince else { continue }
            let what = "the service of model \"\(model.model)\" fails: \(model.reason ?? "no reason is known")"
            if nowMs - since < Self.modelPatienceMs {
                status?.warnings.append(what)
            } else {
                findings.append(
                    HealthFinding(
                        .models, what, remedy: "taxi-cli ml test \(model.model) shows a request and its answer.",
                        sinceMs: since))
            }
        }
    }
}
