public import Workflow

/// A model of `ml.yaml`: which rows it is asked about, when, how, and where its answers go.
public struct ModelSpec: Sendable {
    /// Where the rows come from.
    public enum Source: Sendable, Equatable {
        /// A public view.
        case view(String)
        /// The topic of a query, without the tenant's prefix.
        case topic(String)
        /// One SELECT over the public views.
        case sql(String)
    }

    /// When it is asked.
    public enum Trigger: Sendable {
        case cron(Schedule)
        case interval(ms: Int64)
        /// Whenever a view or query has new rows.
        case result(String)
        /// When somebody says so: `taxi-cli ml run`.
        case byHand
    }

    /// What a field of the answers is.
    public struct Field: Sendable, Equatable {
        public enum Kind: String, Sendable, CaseIterable { case real, integer, text, boolean, any }
        public var name: String
        public var kind: Kind
        public var isOptional: Bool
        public init(_ name: String, _ kind: Kind, isOptional: Bool = false) {
            (self.name, self.kind, self.isOptional) = (name, kind, isOptional)
        }
    }

    /// What came, to compare the answers with.
    public struct Compare: Sendable, Equatable {
        /// One SELECT that gives the key's columns, `actual`, and those of `by`.
        public var actual: String
        /// Which field of the answers it is compared with.
        public var field: String
        public var by: [String]
        /// A simpler model with the same key and field.
        public var baseline: String?
    }

    public var name: String
    public var source: Source
    /// The columns that tell a row from all others, as the source names them.
    public var key: [String]
    public var trigger: Trigger
    /// Rows of a request.
    public var batch: Int
    /// nil where the source itself says the answers (`protocol: sql`).
    public var service: ModelService?
    /// The answers' topic without the tenant's prefix; nil for none.
    public var topic: String?
    /// A view of the answers with a column a field; nil for none.
    public var table: String?
    /// Empty where answers are taken as they come.
    public var schema: [Field]
    public var compare: Compare?

    /// The names under which the key's columns are kept: `window.start` of a topic's records is `window_start`.
    public var keyNames: [String] { key.map { $0.replacing(".", with: "_") } }
}

/// How the service of a model is asked.
public struct ModelService: Sendable {
    public enum Wire: Sendable {
        case json(JSONMapping)
        case kserve(KServeMapping)
    }

    public var endpoint: String
    public var headers: SecretHeaders
    public var wire: Wire
    public var timeoutMs: Int64
    public var retries: Retries
    public var circuit: Circuit
    /// Requests under way at once.
    public var concurrency: Int

    public struct Retries: Sendable {
        /// After the first attempt.
        public var count = 4
        public var backoffMs: Int64 = 500
        public var mostMs: Int64 = 30_000
    }

    public struct Circuit: Sendable {
        public var failures = 5
        public var coolDownMs: Int64 = 60_000
    }
}

/// Requests and answers of `protocol: json`.
///
///     {"model": NAME, "rows": [{COLUMN: VALUE, …}, …]}     →     {"results": [{FIELD: VALUE, …}, …]}
public struct JSONMapping: Sendable {
    /// The member of the request that holds the rows.
    public var rows = "rows"
    /// What is sent of each row, each by the name it is sent under; empty for all columns.
    public var columns: [(sent: String, column: String)] = []
    /// Rows as arrays of values in place of objects.
    public var asArrays = false
    /// The member of the answer that holds the results, with dots between levels; nil where that is to be found.
    public var path: [String]?
    /// Which members of a result become which fields; empty for those of the schema, or all.
    public var fields: [(field: String, member: String)] = []
}

/// Requests and answers of KServe V2, the Open Inference Protocol.
public struct KServeMapping: Sendable {
    public enum Datatype: String, Sendable, CaseIterable {
        case bool = "BOOL"
        case uint8 = "UINT8"
        case uint16 = "UINT16"
        case uint32 = "UINT32"
        case uint64 = "UINT64"
        case int8 = "INT8"
        case int16 = "INT16"
        case int32 = "INT32"
        case int64 = "INT64"
        case fp16 = "FP16"
        case fp32 = "FP32"
        case fp64 = "FP64"
        case bytes = "BYTES"

        var kind: ModelSpec.Field.Kind {
            switch self {
            case .bool: .boolean
            case .fp16, .fp32, .fp64: .real
            case .bytes: .text
            default: .integer
            }
        }

        /// What whole numbers it holds; nil for others.
        var range: ClosedRange<Int64>? {
            switch self {
            case .uint8: 0...255
            case .uint16: 0...65_535
            case .uint32: 0...4_294_967_295
            case .uint64: 0...Int64.max
            case .int8: -128...127
            case .int16: -32_768...32_767
            case .int32: -2_147_483_648...2_147_483_647
            case .int64: Int64.min...Int64.max
            default: nil
            }
        }
    }

    /// A tensor with one entry of its first dimension a row.
    public struct Tensor: Sendable {
        public var name: String
        public var datatype: Datatype
        /// Of one row: empty for `[-1]`, `[3]` for `[-1, 3]`.
        public var rowShape: [Int]
        /// Columns of the source, or fields of the answer: as many as a row has values.
        public var columns: [String]
    }

    public var inputs: [Tensor]
    public var outputs: [Tensor]
}
