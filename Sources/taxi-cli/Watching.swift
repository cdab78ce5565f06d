import CommandLine
import Foundation
import SQLite

/// `--watch` of commands that show results.
let watchOption = Option("watch", short: "w", help: "show it again each second in which it changed, until Ctrl-C")

extension ParsedArguments {
    /// Calls `body` once, or with `--watch` whenever something was committed, until Ctrl-C.
    func repeating(on connection: Connection, _ body: () throws -> Void) throws -> ExitStatus {
        guard isOn("watch") else {
            try body()
            return .success
        }
        Interruption.install()
        var shown: Int64?
        while !Interruption.isRequested {
            let version = try connection.dataVersion()
            if version != shown {
                shown = version
                if terminal.outputIsTerminal { try output.control("\u{1B}[H\u{1B}[2J") }
                try body()
                try output.flush()
            }
            for _ in 0..<20 where !Interruption.isRequested { Thread.sleep(forTimeInterval: 0.05) }
        }
        return .interrupted
    }
}
