/// Takes what a plan reads, value by value, in the reader's types: nothing is made of them unless the visitor does so.
///
/// Bytes and strings are lent until the call returns, but for a visitor that knows who keeps the input.
public protocol AvroVisitor {
    mutating func null()
    mutating func boolean(_ value: Bool)
    mutating func int(_ value: Int32)
    mutating func long(_ value: Int64)
    mutating func float(_ value: Float)
    mutating func double(_ value: Double)
    mutating func bytes(_ value: UnsafeBufferPointer<UInt8>)
    /// UTF-8.
    mutating func string(_ value: UnsafeBufferPointer<UInt8>)
    mutating func fixed(_ value: UnsafeBufferPointer<UInt8>)
    /// Which of the reader's symbols.
    mutating func symbol(_ index: Int)
    /// The next value is of this one of the union's types.
    mutating func branch(_ index: Int)
    mutating func beginRecord(fields: Int)
    /// The next value is that of this field. Each field of the reader's comes once, in the writer's order, and those with defaults last.
    mutating func field(_ index: Int)
    mutating func endRecord()
    mutating func beginArray()
    mutating func endArray()
    mutating func beginMap()
    /// The next value is that of this key.
    mutating func key(_ name: UnsafeBufferPointer<UInt8>)
    mutating func endMap()
}

extension AvroVisitor {
    @inlinable public mutating func branch(_ index: Int) {}
    @inlinable public mutating func beginRecord(fields: Int) {}
    @inlinable public mutating func endRecord() {}
    @inlinable public mutating func beginArray() {}
    @inlinable public mutating func endArray() {}
    @inlinable public mutating func beginMap() {}
    @inlinable public mutating func key(_ name: UnsafeBufferPointer<UInt8>) {}
    @inlinable public mutating func endMap() {}
}

/// Passes over values.
@usableFromInline
struct AvroSkipper: AvroVisitor {
    @inlinable init() {}
    @inlinable mutating func null() {}
    @inlinable mutating func boolean(_ value: Bool) {}
    @inlinable mutating func int(_ value: Int32) {}
    @inlinable mutating func long(_ value: Int64) {}
    @inlinable mutating func float(_ value: Float) {}
    @inlinable mutating func double(_ value: Double) {}
    @inlinable mutating func bytes(_ value: UnsafeBufferPointer<UInt8>) {}
    @inlinable mutating func string(_ value: UnsafeBufferPointer<UInt8>) {}
    @inlinable mutating func fixed(_ value: UnsafeBufferPointer<UInt8>) {}
    @inlinable mutating func symbol(_ index: Int) {}
    @inlinable mutating func field(_ index: Int) {}
}
