#!/usr/bin/env python3
"""Writes tests/golden/text/regex.json: how Hugging Face `tokenizers` (Oniguruma) cuts texts at the matches of many patterns.

One case a pattern, with a hash of the words of all texts, matches kept and matches dropped. The patterns are those below,
the pre-tokenizers of real models, and random ones. Needs tokenizers.
"""
import json
import pathlib
import random

from tokenizers import Regex, pre_tokenizers

TEXTS = [
    "", "a", "Hello, World! 123", "e\u0301x caf\u00e9 nai\u0308ve", "ABab cdEF", "中文abC 한국어 かな",
    "  lead\t tab\n\nnew\r\nline ", "\u00a0nb\u2003em\u3000id\u200bzw\u200dj\u180em", "x_y-z a&&b [c] {d} (e)",
    "٣٤٥ Ⅷ ² ½ ①", "ǅ ǆ Ǆ ß ẞ ſ K Å ı İ", "don't I'M we'LL it'ſ", "\x08\x07\x1b\x00\x7f\x85", "\u2028ls\u2029ps\u000bvt\u000cff",
    "😀👍🏽 👨\u200d👩 🇩🇪", "aaaabbbb abab aabb", "deadBEEF 0x1F fFgG", "$+<=>^`|~ !\"#%&'*,-./:;?@[\\]_{}", "a\nb\n", "\n",
    "Ѐж Ωω שלום ہ हिन्दी ไทย", "\u0345\u03b9\u0399 \u1fbe ﬁ ﬀ ss SS st", "12345 1234567 camelCaseHTTPWord", "a!!!b/\r\n/ x",
    "".join(map(chr, range(256))), " ".join(map(chr, range(0xA0, 0x180)))]

PATTERNS = r"""[\p{L}&&[^a-z]]+|[a-z]+|\s+|.
\w+|\W
\b\w
\B
\h+|\v
\H
\R
(?m).+
.+
(?m:a.b)
^.|.$
$
^
\A.|.\z
.\Z
a\Kb
[a[bc]d]+
[a[^bc]]
[^a[bc]]
[^a-c&&[b-z]]
[a-z&&[^aeiou]&&[a-m]]
[[:alpha:]]+
[[:^alpha:]]+
[[:alnum:][:punct:]]
[[:punct:]]
[[:word:]]+|[[:space:]]
[[:upper:]][[:lower:]]|[[:digit:]]|[[:xdigit:]]|[[:blank:]]
[[:graph:]]+|[[:cntrl:]]
[[:print:]]+
[[:ascii:]]+
\p{Punct}
\p{Alnum}+|\p{XDigit}
\p{Word}+|\p{Blank}
\p{Graph}+|\p{Cntrl}
\p{ASCII}+
\p{Assigned}+
\p{Han}+|\p{Hiragana}|\p{Hang}
\p{Latin}+
\p{Common}+|\p{Inherited}
\p{Lowercase_Letter}|\p{lowercase letter}
\p{Lu}|\P{^Ll}
\P{Lu}|\p{^Ll}
\p{LC}
\p{Emoji}|\p{Extended_Pictographic}
\p{Alphabetic}|\p{White_Space}
\p{ID_Start}+
\p{In_CJK_Unified_Ideographs}|\p{InBasicLatin}
\p{Letter}+|\p{Mark}|\p{Decimal_Number}
\p{Greek}|\p{Cyrillic}+|\p{Thai}|\p{Hebr}
\p{Uppercase}|\p{Lower}
(?i:s)|(?i)k
(?i)[a-z]+
(?i)[^a-z]+
(?i)\p{Lu}
(?i)[^\r\n\p{L}\p{N}]
(?i)[α-ω]+
a(?i)b|c
a{,2}b
a{2}?b
a{2}+b
a{1,2}?b
a{3,1}b
a{,}|a{x}
a*+b|a++b|a?+b
a*?b|a+?
a**|a+*b
(?>a*)b
(?<=a)b|(?<!a)b
(?<=a|bb)c|(?<=\w)\d
(?<n>a)(?<m>b)|(?#c)c
(?x) a b # c
(?i-m:a)(?x: | b )
\u0061|\x62|\x{63}|\0|\07|\cA|\e|\a|\t|\o{144}
[\b\w-]
[a-c-e]
[]a]
[\]a-]
[[a]&&[a]]
[\s\S]|[^\s\S]
[^\W\d]
[\W\d]
[\p{^L}]|[^\P{L}]
[^\p{Greek}\P{L}]
'(?i:[sdmt]|ll|ve|re)
\N+
\O
\D|\S+
a|b|
|a
(a|)*b
(?:a|ab)(?:c|bcd)
x*
(a*)*
\p{Sc}|\p{Sm}|\p{Lm}|\p{Co}|\p{Zs}
[\p{M}\p{L}&&[^\p{Han}]]+
\i\é\_\-\ """.split("\n")

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
CAPITAL, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def capitalised(capital, small, suffix):
    before = r"[^\r\n\p{L}\p{N}]?"
    return f"{before}{capital}*{small}+{suffix}|{before}{capital}+{small}*{suffix}"


MODELS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES,
    capitalised(CAPITAL, SMALL, "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES,
    capitalised(CAPITAL, SMALL, CONTRACTION + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES,
    r"[\p{Han}]+|" + capitalised(CAPITAL[:-1] + r"&&[^\p{Han}]]", SMALL[:-1] + r"&&[^\p{Han}]]", CONTRACTION + "?"),
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r" ?[^(\s|.,!?…。，、।۔،)]+",
    r"(?=(\d{3})+(?!\d))",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+|\s+$",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + SPACES,
    r"\d{1,3}(?=(?:\d{3})*\b)"]


class RandomPattern:
    """A pattern of everything that has a counterpart in PCRE2."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, text, separator=" "):
        return self.random.choice(text.split(separator))

    def property(self):
        names = ("L Lu Ll Lt Lm Lo M N Nd P S Z Han Latin Greek Alpha Punct Alnum Word Space ^L ^Han Lowercase Uppercase Hiragana "
                 "Cyrillic Graph Print Mn Sm Emoji")
        return self.pick(r"\p \P") + "{" + self.pick(names) + "}"

    def shorthand(self):
        return self.pick(r"\w \W \d \D \s \S \h \H")

    def cls(self, depth=0):
        def item():
            kind = self.random.random()
            if kind < 0.35:
                return self.random.choice("abcdxyzABC019_ é中!")
            if kind < 0.55:
                return self.pick(r"a-z A-Z 0-9 b-f à-ü 一-龥 \x{300}-\x{36F} !-/")
            if kind < 0.7:
                return self.shorthand()
            if kind < 0.85:
                return self.property()
            if kind < 0.92 or depth > 1:
                return "[:" + self.pick("alpha digit alnum upper lower punct space xdigit word ^alpha ^space graph print") + ":]"
            return self.cls(depth + 1)

        body = "".join(item() for _ in range(self.random.randint(1, 3)))
        if self.random.random() < 0.25 and depth < 2:
            body += "&&" + self.random.choice([self.cls(depth + 1), "a-m", self.property()])
        return "[" + self.pick("^") * (self.random.random() < 0.3) + body + "]" if self.random.random() < 0.7 else f"[^{body}]"

    def atom(self, depth):
        kind = self.random.random()
        if kind < 0.35:
            return self.random.choice([*"abcxyzABC019 _-'!é中", "\\n", "\\t", "\\.", "\\-", "\u0301"])
        if kind < 0.47:
            return self.shorthand()
        if kind < 0.57:
            return self.property()
        if kind < 0.75:
            return self.cls()
        if kind < 0.83 or depth > 2:
            return self.pick(r". . ^ $ \b \B \A \z \Z \R \N \O")
        return self.pick("(?:%s) (%s) (?=%s) (?!%s) (?i:%s) (?m:%s) (?>%s) (?x:%s) (?-i:%s)") % self.alternatives(depth + 1)

    def quantified(self, depth):
        quantifier = self.pick("* + ? {2} {1,2} {,2} {2,} *? +? ?? *+ ++ ?+ {2}? {1,2}? {2}+")
        return self.atom(depth) + quantifier * (self.random.random() < 0.4)

    def alternatives(self, depth=0):
        branches = ["".join(self.quantified(depth) for _ in range(self.random.randint(1, 4)))
                    for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        return "|".join(branches)


def words_hash(pattern):
    """FNV-1a of every word and a zero behind it; None if the pattern is no regular expression."""
    try:
        splits = [pre_tokenizers.Split(Regex(pattern), behavior) for behavior in ("isolated", "removed")]
    except Exception:  # as tokenizers raises it
        return None
    value = 0xCBF29CE484222325
    for split in splits:
        for text in TEXTS:
            for word, _ in split.pre_tokenize_str(text):
                for byte in word.encode() + b"\0":
                    value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def main():
    patterns = PATTERNS + MODELS + [RandomPattern(seed).alternatives() for seed in range(400)]
    cases = [{"pattern": pattern, "hash": words_hash(pattern)} for pattern in dict.fromkeys(patterns)]
    assert all(case["hash"] for case in cases[:len(PATTERNS) + len(MODELS)])
    lines = ",\n".join(json.dumps(case) for case in cases if case["hash"])
    (pathlib.Path(__file__).parent / "text" / "regex.json").write_text(
        f"{{\"texts\": {json.dumps(TEXTS)},\n\"cases\": [\n{lines}\n]}}\n")


if __name__ == "__main__":
    main()
