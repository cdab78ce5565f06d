/// Ends the process where something is not as it should be, which is a finding; optimized code, too, says what and where.
func expect(
    _ condition: @autoclosure () throws -> Bool, _ message: @autoclosure () -> String = "", file: StaticString = #file,
    line: UInt = #line
) rethrows {
    if try !condition() { fatalError(message(), file: file, line: line) }
}

/// An input whose first byte says what the others are; nil for one without others.
func kindAndRest(_ data: UnsafePointer<UInt8>, _ size: Int) -> (kind: Character, rest: [UInt8])? {
    guard size > 1 else { return nil }
    return (Character(Unicode.Scalar(data[0])), Array(UnsafeBufferPointer(start: data + 1, count: size - 1)))
}
