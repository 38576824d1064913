"""Cuts SQL into tokens: keywords, names, values, operators. Comments and white space are gone.

One regular expression does the work, in C; lists of plain values, of which there may be thousands, are one token each.
Written for what servers accept: strings with doubled quotes, PostgreSQL's dollar quotes, escape strings and nested
comments, MySQL's backslashes, back ticks and ``#``, the brackets of SQL Server, and every style of parameters. What
makes no sense is cut too: an open quote takes all that follows, so that no part of a value is ever taken for a name.

Bounded: at most `MAX_CHARACTERS` are looked at and `MAX_TOKENS` made; what is beyond is one mark.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from perfkit.database.shapes.keywords import KEYWORDS

__all__ = ["CUT", "KEYWORD", "MAX_CHARACTERS", "MAX_TOKENS", "NAME", "OPERATOR", "ROWS", "VALUE", "Token", "tokenize"]

MAX_CHARACTERS = 100_000
MAX_TOKENS = 4_000

KEYWORD, NAME, VALUE, OPERATOR, ROWS = "k", "n", "v", "o", "r"
CUT = "…"
"""The last token of what was too long."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: `KEYWORD`, `NAME`, `VALUE` (a literal, a parameter, or a list of them), `OPERATOR`, or `ROWS`: more rows
            of an insert, which are not cut.
        text: A keyword in capitals, a name without its quotes, anything else as it stands.
        size: Values of a list, or rows; 1 for a single value and 0 for what is none.
    """

    kind: str
    text: str
    size: int = 0


_STRING = r"'(?:[^']++|'')*+(?:'|\Z)"
_BACKSLASHED = r"'(?:[^'\\]++|\\.|'')*+(?:'|\Z|\\\Z)"
_NUMBER = r"(?:0[xX][0-9a-fA-F]++|\d[\d_]*+\.?\d*+(?:[eE][+-]?\d++)?|\.\d++(?:[eE][+-]?\d++)?)(?![\w$])"
_PARAMETER = r"%s|%\(\w++\)s|\?\d*+(?![|&?-])|(?<![:\w]):[A-Za-z_]\w*+|\$\d++|@\w++"


def _pattern(string: str, quoted: str, comment: str) -> re.Pattern[str]:
    prefixed = rf"(?:[nNbBxX]|[uU]&)?{string}"
    value = rf"{prefixed}|{_NUMBER}|{_PARAMETER}"
    # The order is that of frequency; where two may begin alike, a look ahead tells.
    return re.compile(
        rf"""
        \s*+(?:
        (?P<word>(?![eEnNbBxX]'|[uU]&')[^\W\d][\w$]*+)
        |(?P<plain>[,=)]|\.(?!\d))
        |(?P<quoted>{quoted})
        |(?P<list>\(\s*+(?:[+-]?(?:{value})\s*+,\s*+)++[+-]?(?:{value})\s*+\))
        |(?P<bracket>\()
        |(?P<value>[eE]{_BACKSLASHED}|{value}|\$(?P<tag>[^\W\d]\w*+)\$(?s:.*?)(?:\$(?P=tag)\$|\Z)
            |\$\$(?s:.*?)(?:\$\$|\Z))
        |(?P<open>/\*)
        |(?P<space>{comment})
        |(?P<operator>::|<>|!=|<=>|<=|>=|\|\||->>|->|\#>>|\#>|@>|<@|:=|\?\||\?&|[^\w\s])
        |(?P<rest>\d[\w$]*+|\S)
        )
        """,
        re.VERBOSE | re.DOTALL,
    )


@cache
def _backslash() -> re.Pattern[str]:
    """Return the pattern for MySQL, made when it is asked for: to make one is half of what importing this costs."""
    return _pattern(
        rf"(?:{_BACKSLASHED}|\"(?:[^\"\\]++|\\.|\"\")*+(?:\"|\Z|\\\Z))",
        r"`(?:[^`]++|``)*+(?:`|\Z)",
        r"(?:--(?!\S)|\#)[^\n]*+",
    )


_IDENTIFIER = r"\"(?:[^\"]++|\"\")*+(?:\"|\Z)|`(?:[^`]++|``)*+(?:`|\Z)|\[[A-Za-z_][\w ]*+\]"
_STANDARD = _pattern(_STRING, _IDENTIFIER, r"--[^\n]*+")
_COMMENT = re.compile(r"/\*|\*/")
_VALUE_IN_LIST = re.compile(rf"{_BACKSLASHED}|,")
_PLAIN = r"[^()'\"`/#$\\-]|-(?!-)|/(?!\*)|\$\d|'(?:[^'\\]|'')*+'"
_MORE_ROWS = re.compile(rf"(?:\s*+,\s*+\((?:{_PLAIN}|\((?:{_PLAIN})*+\))*+\))++")
"""Rows in which quotes and brackets are what they seem: without comments, backslashes, dollar quotes."""

_QUOTES = str.maketrans("", "", '"`[]')

BACKSLASHING = frozenset({"mysql", "mariadb"})
"""Dialects whose strings know backslashes and whose double quotes are strings."""

NESTING = frozenset({"postgresql", "postgres", ""})
"""Dialects whose comments nest; where none is told they may."""

_COMPARING = frozenset({"=", "<>", "!=", "<", ">", "<=", ">=", "LIKE", "GLOB", "IS", "NOT"})
MOST_IN_LIST = 50
"""Tokens looked back at for the beginning of a list."""

_words: dict[str, Token] = {word: Token(KEYWORD, word) for word in KEYWORDS}
_MOST_WORDS, _MOST_MET = 20_000, 5_000

_met: tuple[dict[str, Token], dict[str, Token], dict[str, Token]] = ({}, {}, {})
"""Tokens by all that was matched, white space before it too, which mean the same wherever they stand: for the standard
dialects, for those of backslashes, and for SQLite, whose double quotes may hold values."""


def tokenize(sql: str, dialect: str | None = None) -> list[Token]:
    """Return the tokens of *sql*.

    Args:
        sql: One statement; of several, all are cut.
        dialect: ``postgresql``, ``mysql``, ``mariadb``, ``sqlite`` or another; back ticks tell MySQL where it is None.
    """
    is_cut = len(sql) > MAX_CHARACTERS
    sql = sql[:MAX_CHARACTERS].rstrip()
    dialect = dialect or ("mysql" if "`" in sql else "")
    is_backslashing = dialect in BACKSLASHING
    pattern = _backslash() if is_backslashing else _STANDARD
    tokens: list[Token] = []
    add = tokens.append
    words, operators = _words, _operators
    met = _met[1 if is_backslashing else 2 if dialect == "sqlite" else 0]
    get = met.get
    at, end = 0, len(sql)
    while at < end:
        # A comment that nests and the rows of an insert move on by themselves; all else is one run of the scanner.
        for match in pattern.finditer(sql, at):
            token = get(match[0])
            if token is not None:
                add(token)
            elif (group := match.lastgroup) == "word" or group == "quoted":
                text = match[group]
                if group == "quoted" and dialect == "sqlite":
                    add(Token(VALUE, text, 1) if _is_text(tokens, sql, match) else words.get(text) or _word(text))
                else:
                    add(_remember(met, match[0], words.get(text) or _word(text)))
            elif group == "plain" or group == "bracket" or group == "operator":
                text = match[group]
                token = operators.get(text) or Token(OPERATOR, text)
                add(token if text == ")" else _remember(met, match[0], token))
                if text == ")" and _is_row_of_one(tokens):
                    more = _MORE_ROWS.match(sql, match.end())
                    if more is not None:
                        add(Token(ROWS, "", more.group().count("(")))
                        at = more.end()
                        break
            elif group == "value":
                add(Token(VALUE, match["value"], 1))
            elif group == "list":
                text = match["list"]
                add(Token(VALUE, text, _size_of(text)))
                if len(tokens) > 1 and _is_values(tokens):
                    more = _MORE_ROWS.match(sql, match.end())
                    if more is not None:
                        add(Token(ROWS, "", more.group().count("(")))
                        at = more.end()
                        break
            elif group == "open":
                at = _comment_end(sql, match.end(), nests=dialect in NESTING)
                break
            elif group == "rest" and match["rest"][0].isdigit():
                # MySQL has names that begin with a digit; elsewhere it is a value that nobody quoted.
                add(_word(match["rest"]) if dialect in BACKSLASHING else Token(VALUE, match["rest"], 1))
            if len(tokens) >= MAX_TOKENS:
                is_cut = True
                at = end
                break
        else:
            break
    if is_cut:
        add(Token(OPERATOR, CUT))
    return tokens


_operators = {
    text: Token(OPERATOR, text) for text in ("(", ")", ",", ".", "=", "*", ";", "<", ">", "+", "-", "/", "::")
}


def _remember(met: dict[str, Token], text: str, token: Token) -> Token:
    """Return *token*, which is known by all of its *text* from now on, if there is room."""
    if len(met) < _MOST_MET and len(text) < 100:
        met[text] = token
    return token


def _word(text: str) -> Token:
    """Return the token of a name or keyword that was not met before."""
    upper = text.upper()
    if upper in KEYWORDS:
        token = _words[upper]
    else:
        token = Token(NAME, text.translate(_QUOTES) if text[0] in '"`[' else text.lower())
    if len(_words) < _MOST_WORDS and len(text) < 100:
        _words[text] = token
    return token


def _size_of(text: str) -> int:
    """Return the number of values in a list."""
    if "'" not in text:
        return text.count(",") + 1
    return sum(1 for match in _VALUE_IN_LIST.finditer(text) if match.group() == ",") + 1


def _is_values(tokens: list[Token]) -> bool:
    """Whether the last token is the first row of VALUES."""
    return tokens[-2].text == "VALUES" and tokens[-2].kind == KEYWORD


def _is_row_of_one(tokens: list[Token]) -> bool:
    return len(tokens) > 3 and tokens[-2].kind == VALUE and tokens[-3].text == "(" and _is_values(tokens[:-2][-2:])


def _is_text(tokens: list[Token], sql: str, match: re.Match[str]) -> bool:
    """Whether double quotes hold what SQLite takes for a string, where there is no such column: a value, to be safe.

    That is what is compared, and what stands in a list after IN or VALUES, without a table before or a column behind.
    """
    if not tokens or match["quoted"][0] != '"' or sql.startswith(".", match.end()):
        return False
    if tokens[-1].text in _COMPARING:
        return True
    for token in reversed(tokens[-MOST_IN_LIST:]):
        if token.kind != VALUE and token.text not in ("(", ",", ")"):
            return token.text in ("IN", "VALUES") and tokens[-1].text in ("(", ",")
    return False


def _comment_end(sql: str, at: int, *, nests: bool) -> int:
    depth = 1
    for match in _COMMENT.finditer(sql, at):
        if match.group() == "*/":
            depth -= 1
            if not depth:
                return match.end()
        elif nests:
            depth += 1
    return len(sql)
