/// Ends the process where something is not as it should be, which is a finding; optimized code, too, says what and where.
func expect(
    _ condition: @autoclosure () throws -> Bool, _ message: @autoclosure () -> String = "", file: StaticString = #file,
    line: UInt = #line
) rethrows {
    if try !condition() { fatalError(message(), file: file, line: line) }
}
