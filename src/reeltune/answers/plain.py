"""One plain form of what models write, so that each reader needs to know one spelling.

Full-width characters, LaTeX, Markdown, tags and JSON are undone; a box of LaTeX is kept as BOXED ... UNBOXED, since it
states an answer. Everything here runs in linear time.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

BOXED, UNBOXED = "⟦", "⟧"
"""Around what stood in \\boxed{...}."""

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SIGNS = {
    **_WIDE,
    **dict.fromkeys(map(ord, "\u3000\u00a0\u2002\u2003\u2009\u200a\u202f"), " "),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"), None),
    **dict.fromkeys(map(ord, "‐‑‒–—―−➖"), "-"),
    **dict.fromkeys(map(ord, "〜∼"), "~"),
    **dict.fromkeys(map(ord, "→⟶➔➜⇒"), " to "),
    **dict.fromkeys(map(ord, "‘’"), "'"),
    **dict.fromkeys(map(ord, "“”「」『』"), '"'),
    **dict.fromkeys(map(ord, "【〔［"), "["),
    **dict.fromkeys(map(ord, "】〕］"), "]"),
    ord("、"): ",",
    ord("。"): ". ",
    ord("："): ":",
    **{ord(sign): value for sign, value in {"½": " 1/2", "¼": " 1/4", "¾": " 3/4"}.items()},
    **{0x24B6 + i: chr(65 + i) for i in range(26)},
    ord(BOXED): " ",
    ord(UNBOXED): " ",
}

_SPECIAL = re.compile(r"<\|[^|<>]{0,40}\|>")
_TAG = re.compile(r"<(/?)([A-Za-z_]{2,20}|[bipu])\s{0,3}/?>")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf)?|math(?:rm|bf|it|sf|tt)|operatorname|emph|underline|bf)\s{0,2}\{([^{}]*)\}"
)
_FRACTION = re.compile(r"\\[dt]?frac\s?\{([^{}]{1,30})\}\s?\{([^{}]{1,30})\}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,2}\{")
_DELIMITERS = re.compile(r"\\[()\[\]]|\$|\\(?:left|right|displaystyle|bf)\b")
_SPACING = re.compile(r"\\[,;:! ]|\\quad|\\qquad|~(?=\\)")
_FENCE = re.compile(r"```[a-zA-Z]{0,12}|`")
_EMPHASIS = re.compile(r"\*{2,3}|(?<![0-9\s])\*|\*(?![0-9\s*])|(?<!\w)__?(?=\w)|(?<=\w)__?(?!\w)")
_LINE_MARK = re.compile(r"^[ \t]{0,8}(?:#{1,6}|>)[ \t]{1,4}", re.MULTILINE)

KEYS = ("final_answer", "final answer", "answer", "prediction", "response")
"""Keys of a JSON object under which an answer stands, the surest first."""


def plain(text: str, keys: Sequence[str] = ()) -> str:
    """`text` in its plain form. `keys`: further keys under which an answer may stand in JSON.

    >>> plain("**答案：** $\\\\boxed{\\\\text{C}}$")
    '答案: ⟦C⟧'
    """
    text = _from_json(text.translate(_SIGNS), (*KEYS, *keys))
    text = _SPECIAL.sub(" ", text)
    if "\\" in text or "$" in text:
        text = _without_latex(text)
    text = _STRUCK.sub(" ", text)
    text = _LINE_MARK.sub("", _FENCE.sub(" ", text))
    return _TAG.sub(_tag, _EMPHASIS.sub("", text)).strip()


def _tag(match: re.Match[str]) -> str:
    """<start>5</start> says 'start: 5'; of other tags nothing is kept."""
    name = match[2].lower()
    return f" {name}: " if not match[1] and name.startswith(("start", "end", "begin")) else " "


def _without_latex(text: str) -> str:
    text = _SPACING.sub(" ", text)
    for _ in range(3):
        text = _WRAPPER.sub(r"\1", text)
    text = _FRACTION.sub(r"\1/\2", text)
    text = text.replace("\\times", "x").replace("\\%", "%").replace("\\to", " to ").replace("\\approx", "~")
    text = text.replace("\\_", "_").replace("\\{", "{").replace("\\}", "}")
    return _DELIMITERS.sub("", _unboxed(text))


def _unboxed(text: str) -> str:
    """BOXED and UNBOXED in place of \\boxed{ and the brace that closes it."""
    if not _BOX.search(text):
        return text
    parts: list[str] = []
    depths: list[int] = []
    depth = position = 0
    for match in re.finditer(r"\\(?:boxed|fbox)\s{0,2}\{|[{}]", text):
        mark = match[0]
        if mark == "}":
            depth -= 1
            if depths and depths[-1] == depth:
                depths.pop()
                parts += [text[position : match.start()], UNBOXED]
                position = match.end()
            continue
        if mark != "{":
            depths.append(depth)
            parts += [text[position : match.start()], BOXED]
            position = match.end()
        depth += 1
    return "".join([*parts, text[position:]])


def _from_json(text: str, wanted: Sequence[str]) -> str:
    """The answer of a JSON object, where `text` holds one that names it; else `text`."""
    first, last = text.find("{"), text.rfind("}")
    if first < 0 or last < first or "\\boxed" in text:
        return text
    found = _parsed(text[first : last + 1])
    if found is None or text[last + 1 :].strip(" \n`]"):
        return text
    keys = {str(key).casefold(): key for key in found}
    for key in wanted:
        if key in keys and found[keys[key]] is not None:
            value = found[keys[key]]
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text


def _parsed(text: str) -> Mapping[str, Any] | None:
    """Python's single quotes too. None for what is no object."""
    for form in (text, re.sub(r"(?<=[{\[,:\s])'|'(?=\s?[}\],:])", '"', text)):
        try:
            found = json.loads(form, strict=False)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None
