/// Finds any of a number of patterns in a stream of bytes, one byte at a time.
///
/// Source: Aho and Corasick, "Efficient string matching", CACM 18(6), 1975. Children are lists of siblings: secrets share few beginnings,
/// and a table of 256 for each of their bytes would be large.
struct ByteAutomaton: Sendable {
    typealias Node = Int32
    static let root: Node = 0

    private var bytes: [UInt8] = [0]
    private var firstChild: [Node] = [0]
    private var nextSibling: [Node] = [0]
    private var fail: [Node] = [0]
    /// Bytes from the root.
    private var depths: [Int32] = [0]
    /// The length of the longest pattern that ends here; 0 for none.
    private var longest: [Int32] = [0]
    /// The root's children, by byte; 0 for none.
    private(set) var beginnings = [Node](repeating: 0, count: 256)

    init(_ patterns: some Sequence<[UInt8]>) {
        for pattern in patterns where !pattern.isEmpty { insert(pattern) }
        link()
    }

    /// Whether there is nothing to find.
    var isEmpty: Bool { bytes.count == 1 }

    func depth(of node: Node) -> Int { Int(depths[Int(node)]) }

    /// How many of the bytes that led to a node are the longest pattern that has just ended; 0 for none.
    func match(at node: Node) -> Int { Int(longest[Int(node)]) }

    func next(_ node: Node, _ byte: UInt8) -> Node {
        var node = node
        while node != Self.root {
            if let child = child(of: node, byte) { return child }
            node = fail[Int(node)]
        }
        return beginnings[Int(byte)]
    }

    private func child(of node: Node, _ byte: UInt8) -> Node? {
        var child = firstChild[Int(node)]
        while child != 0 {
            if bytes[Int(child)] == byte { return child }
            child = nextSibling[Int(child)]
        }
        return nil
    }

    private mutating func insert(_ pattern: [UInt8]) {
        var node = Self.root
        for byte in pattern {
            let known = node == Self.root ? beginnings[Int(byte)] : child(of: node, byte) ?? 0
            node = known != 0 ? known : add(byte, below: node)
        }
        longest[Int(node)] = depths[Int(node)]
    }

    private mutating func add(_ byte: UInt8, below parent: Node) -> Node {
        let node = Node(bytes.count)
        bytes.append(byte)
        firstChild.append(0)
        nextSibling.append(firstChild[Int(parent)])
        fail.append(0)
        depths.append(depths[Int(parent)] + 1)
        longest.append(0)
        firstChild[Int(parent)] = node
        if parent == Self.root { beginnings[Int(byte)] = node }
        return node
    }

    /// Where a node goes on when its next byte is none of its children's: the longest other node that its bytes end with.
    private mutating func link() {
        var (queue, index) = ([Self.root], 0)
        while index < queue.count {
            let parent = queue[index]
            index += 1
            var child = firstChild[Int(parent)]
            while child != 0 {
                if parent != Self.root { fail[Int(child)] = next(fail[Int(parent)], bytes[Int(child)]) }
                longest[Int(child)] = max(longest[Int(child)], longest[Int(fail[Int(child)])])
                queue.append(child)
                child = nextSibling[Int(child)]
            }
        }
    }
}
