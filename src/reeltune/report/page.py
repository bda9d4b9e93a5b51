"""The shell of every page and the few pieces all pages use. One file, no network, no outside resource."""

import base64
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

VIDEO_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mov": "video/mp4"}
"""What browsers play. Other containers are named on the page instead."""

# Control characters are not allowed in HTML; they are shown as their pictures, and lone surrogates as the
# replacement character.
_HIDDEN = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"}
_HIDDEN |= {0x7F: "\u2421"} | dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd")


def page(title: str, body: str, *, script: str = "") -> str:
    """A whole HTML document. `title` is plain text, `body` is HTML, `script` a file of this package."""
    style = package_text("style.css")
    code = f"<script>\n{package_text(script)}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{code}\n</body>\n</html>\n"
    )


def package_text(name: str) -> str:
    return resources.files("reeltune.report").joinpath(name).read_text(encoding="utf-8")


def text(value: object, limit: int | None = None) -> str:
    """Any value as HTML text, safe in attributes too. `limit` cuts long ones and says how much is missing."""
    shown = str(value)
    more = ""
    if limit is not None and len(shown) > limit:
        more = f" … and {len(shown) - limit} more characters"
        shown = shown[:limit]
    return escape(shown.translate(_HIDDEN)) + more


def completion_html(completion: str, limit: int = 6000) -> str:
    """A completion as it was written, its answer block marked."""
    shown = text(completion, limit)
    marked = re.sub(r"(&lt;(answer|glue)&gt;.*?&lt;/\2&gt;)", r"<mark>\1</mark>", shown, flags=re.DOTALL)
    return f'<pre class="completion">{marked}</pre>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, name: str = "") -> str:
    """Cells are HTML. The first column holds the rows' names."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return f'<div class="scroll"><table class="{name}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(rows: Sequence[tuple[str, object]]) -> str:
    """Names and values as a definition list; both are plain text. Long values break behind / _ and : first."""
    cells = [(text(name), re.sub("([/_:])", r"\1<wbr>", text(value))) for name, value in rows]
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in cells)
    return f'<dl class="facts">{items}</dl>'


def section(title: str, *parts: str, lead: str = "") -> str:
    """`title` and `lead` are plain text, the parts HTML."""
    opening = f'<p class="lead">{text(lead)}</p>' if lead else ""
    return f"<section><h2>{text(title)}</h2>{opening}{''.join(parts)}</section>"


def notice(message: str) -> str:
    return f'<p class="notice">{text(message)}</p>'


def video_tag(path: Path, *, max_bytes: int = 8_000_000) -> str:
    """The video inside the page, or a line that says why it is not."""
    kind = VIDEO_TYPES.get(path.suffix.lower())
    if kind is None:
        return _no_video(f"browsers cannot play {path.suffix or 'this kind of'} files: {path}")
    if not path.is_file():
        return _no_video(f"video not found: {path}")
    size = path.stat().st_size
    if size > max_bytes:
        return _no_video(f"{size / 1e6:.0f} MB, too large to embed: {path}")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<video controls loop muted playsinline preload="metadata" src="data:{kind};base64,{data}"></video>'


def _no_video(reason: str) -> str:
    return f'<p class="no-video muted">{text(reason)}</p>'


def seconds_in_words(seconds: float) -> str:
    """A wall time for reading.

    >>> seconds_in_words(7.31), seconds_in_words(187), seconds_in_words(7300)
    ('7.3 s', '3 min 07 s', '2 h 02 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def points_text(change: float) -> str:
    """A change in percentage points, with a real minus sign.

    >>> points_text(4.25), points_text(-1)
    ('+4.2 points', '−1.0 points')
    """
    return f"{change:+.1f} points".replace("-", "\u2212")
