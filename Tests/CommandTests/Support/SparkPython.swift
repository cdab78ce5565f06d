import Foundation

/// The Python that has pyspark, for tests on Spark itself.
enum SparkPython {
    /// Its whole path, since the programs under test have a PATH of their own; nil, said aloud, where there is none.
    static let path: String? = {
        let name = ProcessInfo.processInfo.environment["PYSPARK_PYTHON"] ?? "python3"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name, "-c", "import pyspark, sys; print(sys.executable)"]
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try? process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        if process.terminationStatus == 0 { return text.trimmingCharacters(in: .whitespacesAndNewlines) }
        print("skipped: there is no pyspark for \(name); pip install pyspark==4.2.0, or PYSPARK_PYTHON")
        return nil
    }()
}
