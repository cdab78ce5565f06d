/// A subject with the context that it is in: `:.berlin:trips-value`, or `trips-value` in the default one.
struct SubjectName {
    /// Without its first dot; empty for the default one.
    var context: String
    var name: String

    init(_ text: String) {
        (context, name) = ("", text)
        guard text.hasPrefix(":."), let end = text.dropFirst(2).firstIndex(of: ":") else { return }
        context = String(text[text.index(text.startIndex, offsetBy: 2)..<end])
        name = String(text[text.index(after: end)...])
    }

    /// As the store has it: a subject of the default context has no prefix.
    var text: String { context.isEmpty ? name : ":.\(context):\(name)" }
}
