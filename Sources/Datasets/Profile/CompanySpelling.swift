/// Spellings of companies, and which of them mean the same one.
///
/// The City's files write one company in several ways: in capitals or not, with `Inc.` or without, with the number of its licence before it
/// (`3591 - 63480 Chuks Cab`, `3591- 63480 Chuks Cab`, `Chuks Cab`).
enum CompanySpelling {
    /// What all spellings of a company have in common: its letters and digits in lower case, without a licence before and a legal form behind.
    ///
    /// Never empty but for a text without letters and digits.
    static func key(_ spelling: String) -> String {
        var words = words(withoutLicence(spelling))
        while words.count > 1, let last = words.last, legalForms.contains(last) { words.removeLast() }
        let key = words.joined()
        return key.isEmpty ? self.words(spelling).joined() : key
    }

    private static let legalForms: Set<String> = [
        "inc", "incorporated", "llc", "ltd", "limited", "corp", "corporation", "co", "company",
    ]

    /// `1234 - 56789 Name` without its numbers: two groups of digits with a `-` between, or one with a `-` behind it.
    private static func withoutLicence(_ spelling: String) -> Substring {
        let text = spelling.drop(while: \.isWhitespace)
        let number = text.prefix(while: \.isNumber)
        guard (3...5).contains(number.count) else { return text }
        let behind = text[number.endIndex...].drop(while: \.isWhitespace)
        guard behind.first == "-" else { return text }
        let name = behind.dropFirst().drop(while: \.isWhitespace)
        let medallion = name.prefix(while: \.isNumber)
        let rest = name[medallion.endIndex...]
        return medallion.isEmpty || rest.first?.isWhitespace == true ? rest : name
    }

    private static func words(_ text: some StringProtocol) -> [String] {
        var words = [""]
        for character in text.lowercased() {
            if character.isLetter || character.isNumber {
                words[words.count - 1].append(character)
            } else if character == "&" {
                words += ["and", ""]
            } else if character != "." && character != "'" && character != "’" {
                // "S.Awir" is no word of its own less than "L.L.C." is three.
                words.append("")
            }
        }
        return words.filter { !$0.isEmpty }
    }
}
