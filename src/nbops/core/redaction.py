"""What looks like a secret is replaced before anything is stored or shown.

By name: a parameter or variable called password, token, api_key … By shape: credentials in a URL or DSN, the
token formats of well-known services, private keys, long strings of high entropy. A digest of ours or of git
(hexadecimal) is no secret. And exactly: a value that :func:`hide` was told of, whatever it looks like, for as long
as the process lives.
"""

from __future__ import annotations

import html
import json
import math
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"

_NAME = re.compile(
    r"(?i)(^|[_\-.])([a-z]*pass(word|wd|phrase|code)|(user|db|my|pg|root|admin|sql|ftp|smtp|mail|ssh|proxy|app)?pass_?\d*$"
    r"|pwd?|secret|token(?!s)|(api|auth|access|refresh|bearer|secret)[_\-]?tokens|api[_\-]?key|access[_\-]?key"
    r"|private[_\-]?key|auth(orization)?|credentials?|dsn|connection[_\-]?string|bearer|client[_\-]?secret"
    r"|session[_\-]?key|encryption[_\-]?key|signing[_\-]?key|account[_\-]?key)s?([_\-.\d]|$)"
)
# such a word in a name that says how, where or how much (token_pattern, pass_rate, password_env), and tokens of texts
_SETTING_NAME = re.compile(
    r"(?i)(^|[_\-.])(pad|eos|bos|sep|cls|mask|unk|special|next|prev|previous|last|first|stop|start|end|image|per)[_\-.]?token$"
    r"|[_\-.](rate|count|type|ur[li]|endpoint|name|field|column|col|file|path|length|len|limit|size|ids|idx|index|class|ttl"
    r"|expiry|expires|env|var|prefix|kind|policy|pattern|label|required|enabled|loss|acc|accuracy|freq|frequency"
    r"|embedding|method|mode|scheme|provider|budget|usage|error|message|prompt|hint)s?$"
)
# OPENAI_KEY = "…" is one if the value looks so, SORT_KEY = "…" is none
_KEY_NAME = re.compile(
    r"(?:[A-Z0-9]+_)*(?!(?:SORT|PRIMARY|FOREIGN|GROUP|JOIN|INDEX|PARTITION|CACHE|S3|OBJECT|BLOB|FILE|DICT|CONFIG|ROW|COLUMN"
    r"|MERGE|UNIQUE|LOOKUP|DATA|PUBLIC|CLUSTER|ROUTING|HASH|ORDER|TARGET|LABEL|LEFT|RIGHT|NATURAL|SURROGATE)_)[A-Z0-9]+_KEY_?\d*"
    r"|(?:\w+_)?(?:openai|anthropic|azure|aws|google|gemini|mistral|cohere|groq|hf|stripe|sendgrid|twilio|mapbox|maps|wandb"
    r"|neptune|comet|pinecone|storage|license|fernet|master|deploy)_key"
)
_KEY_VALUE = re.compile(r"(?=\S*\d)\S{6,}|\S{16,}")

_PLACEHOLDER = (  # what stands where a secret is put in
    r"(?:\{[^{}\s]*\}|%\(\w+\)s|%s|(?-i:\$\{?[A-Z_][A-Z0-9_]*\}?)|<[\w ]+>|\*{3,}|(?-i:PASSWORD|PASS)|…"
    r"|:[a-z_]+(?=[\s,;)]|$))(?![\w])"
)
_SEPARATOR = r"(?:\\*['\"])?\s*(?!:\s+(?-i:[a-z]+[,.;]?\s+[a-z(]))[=:]\s*(?:\\*['\"])?"  # "token: the user's" is prose
_NO_CODE = (  # True, a call or an index, self.token, token=token, a placeholder
    r"(?!(?:true|false|none|null|nan|str|string|bytes|bool|int|float|optional)(?![\w\-+/.]))(?![a-z_][a-z_.]*[(\[])"
    r"(?!(?:\w+\.)*(?P=name)\b)(?!(?:self|cls|args|config|cfg|settings|os|opts|options|params|kwargs|env)\.)(?!"
    + _PLACEHOLDER
    + ")"
)
_VALUE = r"[^\s'\"\\&;,)\[\]]{4,}(?P<after>)"
_NUMBER = r"(?!-?(?:\d{1,6}|\d*\.\d+)(?:e[+\-]?\d+)?(?![\w\-+/.]))"

# (pattern, does it keep what is before and after, what a text in lower case has in it where the pattern is)
_SHAPES = (
    # user:password@ in any URL or DSN; the user alone is kept
    (
        re.compile(
            r"(?P<keep>(?<![a-zA-Z0-9+.\-])[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s:/@]*:)(?!"
            + _PLACEHOLDER
            + r"@)[^\s@/]+(?P<after>@)"
        ),
        True,
        ("://",),
    ),
    (
        re.compile(
            r"(?i)(?P<keep>(?:\b|_)(?P<name>[a-z]*pass(?:word|wd|phrase|code)|(?:user|db|my|pg|root|admin|smtp|app)pass|pwd?|secret"
            r"|api[_-]?key|(?:shared)?access[_-]?(?:key|signature)|account[_-]?key)"
            + _SEPARATOR
            + r")"
            + _NO_CODE
            + _VALUE
        ),
        True,
        ("pass", "pw", "secret", "key", "signature"),
    ),
    (
        re.compile(r"(?i)(?P<keep>(?:\b|_)(?P<name>token)" + _SEPARATOR + r")" + _NO_CODE + _NUMBER + _VALUE),
        True,
        ("token",),
    ),
    (
        re.compile(
            r"(?i)(?P<keep>(?:\b|_)(?P<name>sig|signature)"
            + _SEPARATOR
            + r")"
            + _NO_CODE
            + _NUMBER
            + r"(?=[^\s'\"&;,)\[\]]*\d)[^\s'\"\\&;,)\[\]]{8,}(?P<after>)"
        ),
        True,
        ("sig",),
    ),
    (
        re.compile(r"(?i)(?P<keep>\bauthorization['\"]?\s*[=:,]\s*['\"]?\w+\s+)(?!\{)[^\s'\"]{4,}(?P<after>)"),
        True,
        ("authorization",),
    ),
    (re.compile(r"(?i)(?P<keep>\bbearer\s+)[A-Za-z0-9._~+/\-]{8,}=*(?P<after>)"), True, ("bearer",)),
    # SQL: IDENTIFIED BY '…', WITH PASSWORD '…'
    (
        re.compile(
            r"(?i)(?P<keep>\b(?:identified\s+(?:with\s+\S+\s+)?by|password)\s+(?:password\s+)?(?P<mark>\\?['\"]))"
            r"(?:(?!(?P=mark))[^\n]){1,200}(?P<after>(?P=mark))"
        ),
        True,
        ("identified", "password"),
    ),
    # curl -u anna:…
    (
        re.compile(
            r"(?P<keep>\bcurl\b(?:[^\n\\]|\\\n|\\(?!\n)){0,300}?[\s'\"](?:-u|--user)[\s=,'\"]*[^\s:'\"]+:)"
            r"(?![{$])[^\s'\"]+(?P<after>)"
        ),
        True,
        ("curl",),
    ),
    # whoever knows these URLs may post there
    (
        re.compile(
            r"(?i)(?P<keep>\b(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/"
            r"|api\.telegram\.org/bot))[^\s'\"?{}<>]{8,}(?P<after>)"
        ),
        True,
        ("hooks.slack.com", "webhooks", "telegram"),
    ),
    # %env SECRET_TOKEN …
    (
        re.compile(
            r"(?im)(?P<keep>^[ \t]*%(?:set_)?env[ \t]+\w*(?:pass|pw|secret|token|key|auth|credential|dsn)\w*[ \t=]+)"
            r"(?![ \t=]|[\"']?[{$])[^\n]+(?P<after>)"
        ),
        True,
        ("env",),
    ),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.S),
        False,
        ("private key-----",),
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), False, ("akia", "asia")),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"), False, ("gh", "github_pat_")),
    (re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}\b"), False, ("xox",)),
    (
        re.compile(r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_A-Za-z0-9]{10,}\b|\bsk-[A-Za-z0-9]{20,}\b"),
        False,
        ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),
    ),
    (
        re.compile(r"\bAIza[0-9A-Za-z_\-]{35}\b|\bhf_[A-Za-z0-9]{20,}\b|\bglpat-[A-Za-z0-9_\-]{20,}\b"),
        False,
        ("aiza", "hf_", "glpat-"),
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"), False, ("eyj",)),
)
# a part of every name that `secret_name` knows
_NAMED = ("pass", "pw", "secret", "token", "key", "auth", "credential", "dsn", "connection", "bearer")
# a literal in code or JSON under a name of its own: NAME = "…", "NAME": "…", ("NAME", "…"), ["NAME"] = "…"
_LITERAL = re.compile(
    r"""(?P<keep>(?:(?<![\w\-])(?P<bare>[A-Za-z_][\w\-]*)\s*(?::\s*[\w.\[\]| ]+|[:=!+])?=|"""
    r"""['"](?P<key>[A-Za-z_][\w\-.]*)['"](?:\s*:|\s*\]\s*=)|\(\s*['"](?P<first>[A-Za-z_][\w\-.]*)['"]\s*,)\s*[rbfuRBFU]{0,2})"""
    r"""(?P<quote>\"{3}|'{3}|["'])(?P<value>(?:(?!(?P=quote)).)+)(?P=quote)"""
)
# a list (tuple, set) of literals under such a name: {"api_key": ["…", "…"]}, PASSWORDS = ("…",)
_LISTED = re.compile(
    r"""(?:(?<![\w\-])(?P<bare>[A-Za-z_][\w\-]*)\s*=|['"](?P<key>[A-Za-z_][\w\-.]*)['"]\s*:)\s*[\[({](?P<body>[^\[\](){}]*)"""
)
_QUOTED = re.compile(r"""(?P<quote>["'])(?:(?!(?P=quote)).)*(?P=quote)""")
_WORD = re.compile(r"[A-Za-z0-9+/_\-]{24,}={0,2}")
# a part of a path or long name: data, VIC2015; and, if it is short, 2024Report, MyData2
_PART = re.compile(r"[a-z0-9]*|[A-Z0-9]*|[A-Za-z]+|(?=.{,20}$)\d{,4}[A-Za-z]+\d{,4}")
_LOWER = re.compile(r"[a-z]{2,}")
_WORDS = re.compile(r"[a-z]+(?:[_\-][a-z]+)*")
_ANY = (*_NAMED, *(part for _, _, parts in _SHAPES for part in parts))
_ENTROPY_BITS = 4.3  # per character; English words and paths stay below, base64 of random bytes above


def secret_name(name: str) -> bool:
    """Does the name say that its value is a secret?"""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _NAME.search(spaced) is not None and _SETTING_NAME.search(spaced) is None


def gives_away(name: str, text: str) -> bool:
    """Is a text under this name a secret? By the name alone, or as ``OPENAI_KEY``: if the text looks so too."""
    return secret_name(name) or (
        _KEY_NAME.fullmatch(name) is not None and _KEY_VALUE.fullmatch(text) is not None and not _WORDS.fullmatch(text)
    )


def may_hold_secret(text: str) -> bool:
    """Asked before a text is taken apart; no secret that this module knows is in a text of which this is False."""
    return _may_hold(text, _ANY) or any(_random(word) for word in _WORD.findall(text))


_HIDDEN: list[str] = []  # of this process, longest first: what one part of it knows, no other part may write


def hide(secret: str) -> None:
    """From now on replace this value, as it is or as Python, JSON, HTML or a URL writes it."""
    _HIDDEN[:] = _longest_first({*_HIDDEN, *_forms(secret)})


def without(text: str, secrets: Iterable[str]) -> str:
    """The text free of these values, written in whatever way :func:`hide` knows."""
    for form in _longest_first(form for secret in secrets for form in _forms(secret)):
        text = text.replace(form, REDACTED)
    return text


def _forms(secret: str) -> set[str]:
    """How a value may stand in a text: in HTML as pandas, ``html.escape`` or Jinja write it, in a URL."""
    escaped = html.escape(secret, quote=False)
    return {
        secret,
        repr(secret)[1:-1],
        *(json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False)),
        *(escaped, html.escape(secret), escaped.replace('"', "&#34;").replace("'", "&#39;")),
        *(urllib.parse.quote(secret), urllib.parse.quote(secret, ""), urllib.parse.quote_plus(secret)),
    }


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(set(forms) - {""}, key=lambda form: (-len(form), form))


def without_hidden(value: Any) -> Any:
    """The value with every text in it free of what :func:`hide` was told of; itself where that is nothing."""
    if not _HIDDEN:
        return value
    if isinstance(value, str):
        for form in _HIDDEN:
            value = value.replace(form, REDACTED)
        return value
    if isinstance(value, Mapping):
        return {without_hidden(k): without_hidden(v) for k, v in value.items()}
    return [without_hidden(v) for v in value] if isinstance(value, (list, tuple)) else value


def holds_hidden(data: bytes | memoryview) -> bool:
    """Is something that :func:`hide` was told of in these bytes, as text or as NumPy has it?"""
    if not _HIDDEN:
        return False
    forms = [form.encode(code, "surrogatepass") for form in _HIDDEN for code in ("utf-8", "utf-32-le")]
    step, view = 1 << 24, memoryview(data).cast("B")
    ends = len(max(forms, key=len))
    parts = (bytes(view[start : start + step + ends]) for start in range(0, len(view), step))
    return any(form in part for part in parts for form in forms)


def redact_text(text: str) -> str:
    """The text with everything that has the shape of a secret replaced, and literals that a name gives away."""
    text = without_hidden(text)
    if _may_hold(text, _NAMED):
        text = _LISTED.sub(_listed, _LITERAL.sub(_literal, text))
    return _WORD.sub(lambda m: REDACTED if _random(m.group()) else m.group(), _shapeless(text))


def redact(value: Any, name: str = "") -> Any:
    """The value, redacted by the name it goes under and by shape; containers are copied, other types kept."""
    if name and value is not None and secret_name(name) and _may_be_secret(name, value):
        return REDACTED
    if isinstance(value, str):
        return REDACTED if name and gives_away(name, value) else redact_text(value)
    if isinstance(value, Mapping):
        return {_shapeless(k) if isinstance(k, str) else k: redact(v, str(k)) for k, v in value.items()}
    if isinstance(value, tuple) and _is_pair(value):
        return [value[0], redact(value[1], value[0])]
    if isinstance(value, (list, tuple)):
        return [redact(tuple(v) if isinstance(v, list) and _is_pair(v) else v, name) for v in value]
    return value


def _is_pair(value: Any) -> bool:
    """("password", "…"): as items of a mapping, and headers, are listed."""
    return len(value) == 2 and all(isinstance(v, str) for v in value) and gives_away(*value)


def _may_be_secret(name: str, value: Any) -> bool:
    # max_tokens = 512 is a setting; password = 1234 is none
    if isinstance(value, bool):
        return False
    return not isinstance(value, (int, float)) or re.search(r"(?i)pass|pwd|secret", name) is not None


def _shapeless(text: str) -> str:
    for pattern, keeps, parts in _SHAPES:
        if _may_hold(text, parts):
            text = pattern.sub(r"\g<keep>" + REDACTED + r"\g<after>" if keeps else REDACTED, text)
    return text


def _may_hold(text: str, parts: tuple[str, ...]) -> bool:
    """Asked before a pattern, which takes many times as long: every cell's text is looked through. (Beyond ASCII there
    are letters that are the same as ``s`` or ``k`` but for case.)"""
    lower = text.lower()
    return not text.isascii() or any(part in lower for part in parts)


def _literal(match: re.Match[str]) -> str:
    if not gives_away(match["bare"] or match["key"] or match["first"], match["value"]):
        inner = _LITERAL.sub(_literal, match["value"])  # JSON in a text
        return f"{match['keep']}{match['quote']}{inner}{match['quote']}"
    return f"{match['keep']}{match['quote']}{REDACTED}{match['quote']}"


def _listed(match: re.Match[str]) -> str:
    if not secret_name(match["bare"] or match["key"]):
        return match.group()
    before = match.group()[: match.start("body") - match.start()]
    return before + _QUOTED.sub(
        lambda m: f"{m['quote']}{REDACTED}{m['quote']}" if len(m.group()) > 2 else m.group(), match["body"]
    )


def _random(word: str) -> bool:
    if re.fullmatch(r"[0-9a-fA-F]+|[a-zA-Z_]+|[0-9\-]+|[a-z0-9_\-/]*|[A-Z0-9_\-]*", word):
        return False
    if _put_together(word):
        return False
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    return entropy >= min(_ENTROPY_BITS, math.log2(len(word)) - 0.6) and any(c.isdigit() for c in word)


def _put_together(word: str) -> bool:
    """Is it a path or long name, whose parts are words for the most part? (In base64 of random bytes what would part
    it stands far apart.)"""
    parts = [part for part in re.split(r"[/_\-]", word) if part and not part.isdigit()]
    words = sum(_LOWER.fullmatch(part) is not None for part in parts)
    return len(parts) > 2 and 2 * words >= len(parts) and all(_PART.fullmatch(part) for part in parts)
