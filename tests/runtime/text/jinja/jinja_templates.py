"""Random templates and variables for jinja_differential_test.py: every filter, test, method, operator and statement of the
language, on odd values, right and wrong."""

TEXTS = ["", "a", "abc", "Hello World", "  pad \t\n", "x,y,,z", "été ÉTÉ", "ß", "ǆ", "日本語", "😀 ok", "e\u0301", "\u3000x\u2003", "0x1f",
         "42", " -7 ", "3.5", "1e3", "1_000", "inf", "nan", "٣", "²", "a-b_c", "it's", 'say "hi"', "back\\slash", "tab\tline\nend\r\nx",
         "<b>&amp;</b> & 'q'", "http://example.com/a?b=1, www.x.org (see user@mail.com)", "The quick brown fox jumps over the lazy dog",
         "aaa-bbb--ccc super-long-hyphenated-word", "%s and %d", "{} {0}", "{name}", "İstanbul", "ΑΣ", "\x00\x1f\x7f", "ﬁ", "True", "None"]
KEYS = ["a", "b", "c", "name", "items", "x y", "0", "get"]
NUMBERS = [0, 1, -1, 2, 3, 7, 10, -5, 100, 255, 12345, 1000000, 2**31, -2**40]
REALS = [0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 3.14159, 1e16, 1e-5, 123456.789, 1e22, 0.1, 2.675, 1e100]
NAMES = ["a", "b", "n", "s", "t", "l", "m", "d", "e", "deep", "users", "nope", "f", "z"]
ATTRIBUTES = ["a", "b", "name", "age", "tags", "0", "1", "a.b", "tags.0", "nope", "name.0", "address.city"]
FORMATS = ["%s", "%d", "%5d", "%-5s|", "%05d", "%+d", "% d", "%x", "%X", "%#x", "%o", "%e", "%.2f", "%g", "%G", "%10.3f", "%c", "%r", "%%", "%5.1s",
           "%i", "%.3d", "%+.1e", "%s %s", "%(a)s", "%(b)r", "%*d", "%q", "%"]
SPECIFICATIONS = ["", ">5", "<5", "^7", "*^9", "05", "+", " ", "d", "x", "X", "#x", "b", "o", "e", ".2f", ".3", "g", "10.1f", ",", "_", ",.2f", "%", ".1%",
                  "s", ".2", "=+6", "c", "010,", "n", "E", ".0f", "é>4", "zz"]

FILTERS = {
    "abs": [], "attr": ["text"], "batch": ["small", "value?"], "capitalize": [], "center": ["small?"], "count": [], "d": ["value?", "bool?"],
    "default": ["value?", "bool?"], "dictsort": ["bool?", "by?", "bool?"], "e": [], "escape": [], "filesizeformat": ["bool?"], "first": [],
    "float": ["value?"], "forceescape": [], "format": ["value?", "value?"], "groupby": ["attribute", "value?", "bool?"], "indent": ["width?", "bool?", "bool?"],
    "int": ["value?", "base?"], "items": [], "join": ["text?", "attribute?"], "last": [], "length": [], "list": [], "lower": [], "map": ["filter"],
    "max": ["bool?", "attribute?"], "min": ["bool?", "attribute?"], "pprint": [], "reject": ["test?"], "rejectattr": ["attribute", "test?"],
    "replace": ["text", "text", "small?"], "reverse": [], "round": ["digits?", "method?"], "safe": [], "select": ["test?"],
    "selectattr": ["attribute", "test?"], "slice": ["small", "value?"], "sort": ["bool?", "bool?", "attribute?"], "string": [], "striptags": [],
    "sum": ["attribute?", "value?"], "title": [], "tojson": [], "trim": ["text?"], "truncate": ["small?", "bool?", "text?", "small?"],
    "unique": ["bool?", "attribute?"], "upper": [], "urlencode": [], "urlize": ["small?", "bool?", "text?", "text?"], "wordcount": [],
    "wordwrap": ["small?", "bool?", "text?", "bool?"], "xmlattr": ["bool?"], "nofilter": [],
}
KEYWORDS = {"batch": ["linecount", "fill_with"], "center": ["width"], "default": ["default_value", "boolean"], "d": ["default_value", "boolean"],
            "dictsort": ["case_sensitive", "by", "reverse"], "int": ["default", "base"], "float": ["default"], "round": ["precision", "method"],
            "sort": ["reverse", "case_sensitive", "attribute"], "join": ["d", "attribute"], "indent": ["width", "first", "blank"], "trim": ["chars"],
            "replace": ["old", "new", "count"], "truncate": ["length", "killwords", "end", "leeway"], "unique": ["case_sensitive", "attribute"],
            "min": ["case_sensitive", "attribute"], "max": ["case_sensitive", "attribute"], "sum": ["attribute", "start"], "slice": ["slices", "fill_with"],
            "groupby": ["attribute", "default", "case_sensitive"], "wordwrap": ["width", "break_long_words", "wrapstring", "break_on_hyphens"],
            "urlize": ["trim_url_limit", "nofollow", "target", "rel"], "xmlattr": ["autospace"], "filesizeformat": ["binary"]}
TESTS = {"boolean": [], "callable": [], "defined": [], "divisibleby": ["small"], "eq": ["value"], "equalto": ["value"], "even": [], "false": [],
         "filter": [], "float": [], "ge": ["value"], "gt": ["value"], "in": ["value"], "integer": [], "iterable": [], "le": ["value"], "lower": [],
         "lt": ["value"], "mapping": [], "ne": ["value"], "none": [], "number": [], "odd": [], "sequence": [], "string": [], "test": [], "true": [],
         "undefined": [], "upper": [], "escaped": [], "lessthan": ["value"], "greaterthan": ["value"], "==": ["value"], "notest": []}
METHODS = {
    "capitalize": [], "casefold": [], "center": ["small", "char?"], "count": ["value"], "endswith": ["text"], "expandtabs": ["small?"], "find": ["text", "small?", "small?"],
    "format": ["value?", "value?"], "index": ["value"], "isalnum": [], "isalpha": [], "isascii": [], "isdecimal": [], "isdigit": [],
    "isidentifier": [], "islower": [], "isnumeric": [], "isprintable": [], "isspace": [], "istitle": [], "isupper": [], "join": ["value"],
    "ljust": ["small", "char?"], "lower": [], "lstrip": ["text?"], "partition": ["text"], "removeprefix": ["text"], "removesuffix": ["text"],
    "replace": ["text", "text", "small?"], "rfind": ["text"], "rindex": ["text"], "rjust": ["small", "char?"], "rpartition": ["text"],
    "rsplit": ["text?", "small?"], "rstrip": ["text?"], "split": ["text?", "small?"], "splitlines": ["bool?"], "startswith": ["text", "small?"],
    "strip": ["text?"], "swapcase": [], "title": [], "upper": [], "zfill": ["small"], "keys": [], "values": [], "items": [], "get": ["value", "value?"],
    "copy": [], "append": ["value"], "pop": [], "update": ["value"], "bit_length": [], "is_integer": [], "as_integer_ratio": [], "conjugate": [],
    "nomethod": [], "__len__": [], "format_map": ["value"], "translate": ["value"], "hex": [],
}


def literal(value):
    """A Jinja expression for a Python value."""
    if isinstance(value, str):
        quote = "'" if '"' in value else '"'
        text = value.replace("\\", "\\\\").replace(quote, "\\" + quote)
        return quote + text.replace("\r", "\\r").replace("\x00", "\\x00") + quote
    return {None: "none", True: "true", False: "false"}.get(value, repr(value)) if not isinstance(value, float) else repr(value)


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.loops = 0

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return self.rng.choice(items)

    # Variables.

    def data(self, depth):
        kind = self.rng.randrange(11 if depth > 0 else 8)
        if kind < 3:
            return self.pick(TEXTS)
        if kind < 5:
            return self.pick(NUMBERS)
        if kind < 8:
            return self.pick([None, True, False, self.pick(REALS)])
        if kind == 8:
            return {self.pick(KEYS): self.data(depth - 1) for _ in range(self.rng.randrange(5))}
        same = self.pick([lambda: self.pick(TEXTS), lambda: self.pick(NUMBERS), lambda: self.data(depth - 1)])
        return [same() for _ in range(self.rng.randrange(6))]

    def variables(self):
        user = lambda: {"name": self.pick(["Ann", "bob", "Cy", "ann"]), "age": self.rng.randrange(3), "tags": ["t1", "t2"][:self.rng.randrange(3)],
                        "address": {"city": self.pick(["Rome", "oslo"])}}
        return {"a": self.data(2), "b": self.data(2), "n": self.pick(NUMBERS), "s": self.pick(TEXTS), "t": self.pick(TEXTS),
                "l": [self.data(1) for _ in range(self.rng.randrange(6))], "m": [self.pick(NUMBERS) for _ in range(self.rng.randrange(6))],
                "d": {self.pick(KEYS): self.data(1) for _ in range(self.rng.randrange(5))}, "e": [], "f": self.pick(REALS), "z": None,
                "deep": {"a": {"b": [{"c": self.data(1)}]}}, "users": [user() for _ in range(self.rng.randrange(4))]}

    # Expressions.

    def argument(self, kind):
        kind = kind.rstrip("?")
        if self.chance(0.04):
            return self.expression(1)
        if kind == "small":
            return self.pick(["0", "1", "2", "3", "5", "8", "12", "30", "-1"])
        if kind == "digits":
            return self.pick(["0", "1", "2", "-1", "3"])
        if kind == "width":
            return self.pick(["0", "2", "4", "'> '"])
        if kind == "base":
            return self.pick(["2", "8", "10", "16", "0"])
        if kind == "bool":
            return self.pick(["true", "false"])
        if kind == "by":
            return self.pick(["'key'", "'value'", "'other'"])
        if kind == "method":
            return self.pick(["'common'", "'ceil'", "'floor'", "'other'"])
        if kind == "char":
            return self.pick(["'*'", "'é'", "' '", "'ab'"])
        if kind == "text":
            return self.pick(["' '", "','", "'a'", "'l'", "''", "'o W'", "'é'", "'--'", "'x'", literal(self.pick(TEXTS)), "s"])
        if kind == "attribute":
            return self.pick(["0", "1"] + [literal(a) for a in ATTRIBUTES] + ["'name,age'"])
        if kind == "filter":
            name = self.pick(sorted(FILTERS))
            return ", ".join([literal(name)] + self.arguments(FILTERS[name]))
        if kind == "test":
            name = self.pick(sorted(TESTS))
            return ", ".join([literal(name)] + self.arguments(TESTS[name]))
        return self.expression(1)

    def arguments(self, kinds):
        given = []
        for kind in kinds:
            if kind.endswith("?") and self.chance(0.5):
                break
            given.append(self.argument(kind))
        if self.chance(0.01):
            given.append("1")
        return given

    def filter(self):
        name = self.pick(sorted(FILTERS))
        if name in ("map", "sum", "join", "sort") and self.chance(0.4):
            default = f", default={self.expression(0)}" if name == "map" and self.chance(0.5) else ""
            return f"{name}(attribute={self.argument('attribute')}{default})"
        if name == "tojson":
            options = [o for o in ("indent=2", "ensure_ascii=true", "sort_keys=true", "separators=(',', ':')", "indent='\\t'") if self.chance(0.2)]
            return "tojson" + (f"({', '.join(dict((o.split('=')[0], o) for o in options).values())})" if options else "")
        if name in KEYWORDS and self.chance(0.3):
            keys = list(zip(KEYWORDS[name], FILTERS[name]))
            chosen = [f"{key}={self.argument(kind)}" for key, kind in keys if not kind.endswith("?") or self.chance(0.5)]
            return f"{name}({', '.join(chosen)})"
        given = self.arguments(FILTERS[name])
        return name + (f"({', '.join(given)})" if given else self.pick(["", "", "()"]))

    def test(self):
        name = self.pick(sorted(set(TESTS) - {"=="}))
        given = self.arguments(TESTS[name])
        if len(given) == 1 and self.chance(0.3) and given[0][0] not in "-(+n":
            return f"{self.pick(['', 'not '])}{name} {given[0]}"
        return self.pick(["", "not "]) + name + (f"({', '.join(given)})" if given else "")

    def primary(self, depth):
        kind = self.rng.randrange(16)
        if kind < 5:
            return self.pick(NAMES)
        if kind < 8:
            return literal(self.pick(TEXTS))
        if kind < 10:
            return str(self.pick(NUMBERS)).replace("-", "- ")
        if kind == 10:
            return self.pick([repr(abs(self.pick(REALS))), "0x1F", "0b101", "0o17", "1_000", "1e3", "true", "none", "false", "True", "None"])
        if depth <= 0:
            return self.pick(NAMES)
        inner = lambda: self.expression(depth - 1)
        if kind == 11:
            return "[" + ", ".join(inner() for _ in range(self.rng.randrange(4))) + "]"
        if kind == 12:
            return "(" + "".join(inner() + ", " for _ in range(self.rng.randrange(1, 4))) + ")"
        if kind == 13:
            return "{" + ", ".join(f"{literal(self.pick(KEYS + [1, 2, True, None]))}: {inner()}" for _ in range(self.rng.randrange(4))) + "}"
        if kind == 14:
            return "(" + inner() + ")"
        return self.call(depth - 1)

    def call(self, depth):
        return self.pick([
            lambda: f"range({', '.join(self.argument('small') for _ in range(self.rng.randrange(1, 4)))})",
            lambda: f"dict(x={self.expression(depth)}, y=1)",
            lambda: f"dict({self.expression(depth)})",
            lambda: f"namespace(v={self.expression(depth)}).v",
            lambda: "cycler('a', 'b').next()",
            lambda: "joiner('|')()",
            lambda: f"{literal(self.pick(FORMATS))} % {self.expression(depth)}",
            lambda: f"{literal(self.pick(FORMATS))}|format({self.expression(depth)})",
            lambda: f"'{{:{self.pick(SPECIFICATIONS)}}}'.format({self.expression(depth)})",
            lambda: f"'{{a}}{{0!r}}'.format({self.expression(depth)}, a={self.expression(depth)})",
            lambda: f"loop.{self.pick(['index', 'index0', 'first', 'last', 'length', 'revindex', 'revindex0', 'depth', 'previtem', 'nextitem', 'depth0'])}",
            lambda: f"loop.cycle({self.expression(depth)}, 'odd')",
            lambda: f"loop.changed({self.expression(depth)})",
            lambda: f"({self.pick(['range', 'dict', 'namespace', 'raise_exception', 'strftime_now', 'cycler', 'nothing'])} is {self.pick(['defined', 'callable', 'string', 'undefined'])})",
            lambda: f"mac({self.expression(depth)})",
            lambda: f"{self.pick(['mac', 'two', 'range', 'loop'])}.{self.pick(['name', 'arguments', 'caller', 'nope', 'catch_kwargs'])}",
            lambda: f"dict.fromkeys({self.expression(depth)}, 1)",
        ])()

    def expression(self, depth):
        if depth <= 0:
            return self.primary(0)
        inner = lambda: self.expression(depth - 1)
        kind = self.rng.randrange(24)
        if kind < 6:
            return f"{self.primary(depth - 1)}|{self.filter()}" + (f"|{self.filter()}" if self.chance(0.3) else "")
        if kind < 9:
            name = self.pick(sorted(METHODS))
            return f"{self.primary(depth - 1)}.{name}" + (f"({', '.join(self.arguments(METHODS[name]))})" if self.chance(0.97) else " is defined")
        if kind < 11:
            return f"{inner()} is {self.test()}"
        if kind < 14:
            if self.chance(0.2):  # of any two, the results could be without bound
                return f"{inner()} {self.pick(['*', '**'])} {self.pick(['0', '1', '2', '3', '0.5', '- 1'])}"
            return f"{inner()} {self.pick(['+', '-', '/', '//', '%', '~', '~', '+'])} {inner()}"
        if kind < 16:
            operators = ["==", "!=", "<", ">", "<=", ">=", "in", "not in"]
            return f"{inner()} {self.pick(operators)} {inner()}" + (f" {self.pick(operators)} {inner()}" if self.chance(0.2) else "")
        if kind == 16:
            return f"{inner()} {self.pick(['and', 'or'])} {inner()}"
        if kind == 17:
            return f"{self.pick(['not ', '-', '+', 'not not '])}{inner()}"
        if kind == 18:
            return f"{inner()} if {inner()}" + (f" else {inner()}" if self.chance(0.7) else "")
        if kind == 19:
            part = lambda: self.pick(["", "", "0", "1", "2", "-1", "5", "-3"])
            # Of a name: what is no list is Python's error. Of a literal, jinja2 folds it to something undefined instead.
            return f"{self.pick(NAMES)}[{part()}:{part()}{self.pick(['', ':', ':2', ':-1', ':-2'])}]"
        if kind == 20:
            return f"{self.primary(depth - 1)}[{self.pick(['0', '1', '-1', repr(self.pick(KEYS)), inner()])}]"
        if kind == 21:
            return f"{self.primary(depth - 1)}.{self.pick(KEYS[:5] + ['0', '1', 'nope', 'a.b'])}"
        return self.call(depth - 1) if kind == 22 else self.primary(depth)

    # Statements.

    def tag(self, text):
        return f"{{%{self.pick(['', '', '-', '+'])} {text} {self.pick(['', '', '-'])}%}}"

    def text(self):
        return self.pick(["x", " ", "\n", "  \n  ", "text ", "\n\n", "\u3000\n", "{ # }", "a\n  ", "\t"])

    def output(self, depth):
        return f"{{{{{self.pick(['', '', '-'])} {self.expression(depth)} {self.pick(['', '', '-'])}}}}}"

    def body(self, depth):
        return "".join(self.pick([self.text, lambda: self.output(2), lambda: self.statement(depth - 1)])() for _ in range(self.rng.randrange(1, 4)))

    def for_loop(self, depth):
        target = self.pick(["i", "i", "k, v", "(k, v)", "a"])
        source = self.pick(["l", "m", "d", "d.items()", "users", "range(3)", "s", "e", "nope", "l|map('string')", "[[1, 2], [3, 4]]", self.expression(1)])
        condition = self.pick(["", "", "", " if i is defined", " if loop is defined", f" if {self.expression(1)}"])
        self.loops += 1
        body = self.body(depth) + self.pick(["", "", self.tag("if i == 2") + self.tag(self.pick(["break", "continue"])) + self.tag("endif")])
        self.loops -= 1
        otherwise = self.tag("else") + self.body(depth) if self.chance(0.3) else ""
        return self.tag(f"for {target} in {source}{condition}") + "{{ i }}" + body + otherwise + self.tag("endfor")

    def statement(self, depth):
        if depth <= 0:
            return self.output(2)
        name = self.pick(["x", "y", "i"])
        block = lambda opening, closing: self.tag(opening) + self.body(depth) + self.tag(closing)
        return self.pick([
            lambda: self.for_loop(depth),
            lambda: self.for_loop(depth),
            lambda: self.tag("if " + self.expression(2)) + self.body(depth) + (self.tag("elif " + self.expression(1)) + self.body(depth) if self.chance(0.3) else "")
            + (self.tag("else") + self.body(depth) if self.chance(0.5) else "") + self.tag("endif"),
            lambda: self.tag(f"set {name} = {self.expression(2)}") + f"{{{{ {name} }}}}",
            lambda: self.tag(f"set x, y = {self.expression(1)}, {self.expression(1)}") + "{{ y }}{{ x }}",
            lambda: block("set x" + self.pick(["", "", "|upper", "|trim|list", "|length", "|replace('a', 'b')", "|int"]), "endset") + "{{ x }}",
            lambda: block(f"with {name} = {self.expression(1)}, w = {name}", "endwith") + "{{ w }}",
            lambda: self.tag("macro mac(p, q='dq')") + "{{ p }}|{{ q }}" + self.body(depth) + self.tag("endmacro") + f"{{{{ mac({self.expression(1)}) }}}}{{{{ mac(1, q=2) }}}}",
            lambda: self.tag("macro two(p, q=p)") + "{{ p }}{{ q }}{{ varargs }}{{ kwargs }}{{ caller is defined }}" + self.tag("endmacro")
            + f"{{{{ two({self.expression(1)}, 2, 3, k={self.expression(1)}) }}}}",
            lambda: self.tag("macro wrap()") + "<{{ caller(1, 2) }}>" + self.tag("endmacro") + block("call(u, v=3) wrap()", "endcall"),
            lambda: block("filter " + self.filter(), "endfilter"),
            lambda: self.tag("raw") + "{{ x }} {% if %} {# #}\n" + self.tag("endraw"),
            lambda: block("autoescape " + self.pick(["true", "false"]), "endautoescape"),
            lambda: self.tag("set ns = namespace(c=0)") + self.tag("for i in m") + self.tag("set ns.c = ns.c + 1") + self.tag("endfor") + "{{ ns.c }}{{ ns }}",
            lambda: self.tag("for i in [[1, [2]], [3]] recursive") + "{{ loop.depth }}{% if i is iterable %}{{ loop(i) }}{% else %}{{ i }}{% endif %}" + self.tag("endfor"),
            lambda: "{# comment " + self.pick(["", "-", "+"]) + "#}" + self.text(),
            lambda: block("generation", "endgeneration"),
            lambda: block(f"block b{self.rng.randrange(10**9)}", "endblock"),
            lambda: self.tag(f"print {self.expression(1)}, {self.expression(1)}"),
        ])()

    def template(self):
        kind = self.rng.randrange(10)
        if kind < 6:
            text = "{{ " + self.expression(self.rng.randrange(1, 4)) + " }}"
        elif kind < 8:
            text = self.text() + self.output(2) + self.text() + self.statement(2) + self.text()
        else:
            text = "".join(self.statement(3) for _ in range(2))
        return text, self.variables()
