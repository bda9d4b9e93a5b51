"""The explorer's pages as one file without a server: what `reeltune report RUN --export DIR` writes.

The same page parts, with the answers of the server put into the file: the overview, the last evaluation, and a bounded
number of groups, spread evenly over the run. Every clip is in it once, however many groups ask about it.
"""

import base64
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from reeltune.errors import InputError, VideoError
from reeltune.explorer.evaluation import breakdown
from reeltune.explorer.group import find_group, frames_seen, group_page, group_sample
from reeltune.explorer.overview import overview, source_card
from reeltune.explorer.session import Session
from reeltune.files import write_text

FILE = "index.html"
GROUPS = 200
CLIP_BYTES = 8_000_000
ALL_BYTES = 200_000_000
"""Larger clips, and those for which the file has no room any more, are named in place of shown."""
MODULES = ("dom.js", "static.js", "chart.js", "distribution.js", "notes.js", "player.js", "table.js", "group.js",
           "overview.js", "evaluation.js", "compare.js", "app.js")  # fmt: skip
IMPORT = re.compile(r'^import .* from "/page/.*";\n', re.MULTILINE)


def write_export(run: Path, target: Path, *, media_roots: Sequence[Path] = (), groups: int = GROUPS) -> Path:
    """Write TARGET/index.html; returns its path. InputError for what is no run, evaluation, selection or samples."""
    session = Session([run], media_roots=media_roots, cache=target / ".cache")
    if len(session.opened) != 1:
        raise InputError(
            f"{run} contains {len(session.opened)} runs or evaluations; name one: {', '.join(session.opened)}"
        )
    try:
        [opened] = session.opened.values()
        opened.load()
        keys = [row["key"] for row in opened.index.select("SELECT key FROM groups ORDER BY key")]
        chosen = keys if len(keys) <= groups else [keys[number * len(keys) // groups] for number in range(groups)]
        rows = _rows(opened.index.by_keys("groups", chosen))
        data = {
            "sources": [source_card(opened) | {"path": opened.source.name, "live": False}],
            "overview": overview(opened),
            "evaluation": breakdown(opened, {}),
            "all": len(keys),
            "rows": rows,
            **_pages(session, rows),
        }
        path = target / FILE
        write_text(path, _document(opened.source.name, data))
        return path
    finally:
        for each in session.opened.values():
            each.index.close()
        _remove(session.cache)


def _rows(groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if value is not None} | {"at": f"{row['file']}:{int(row['line'])}"}
        for row in groups
    ]


def _pages(session: Session, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{"group": {at: page}, "media": {"at n": state}, "strip": {"at n": state}, "clips": {name: data}}."""
    [opened] = session.opened.values()
    found: dict[str, dict[str, Any]] = {"group": {}, "media": {}, "strip": {}, "clips": {}}
    total = 0
    for row in rows:
        at = row["at"]
        page = group_page(opened, at)
        found["group"][at] = page
        line, sample = group_sample(opened, find_group(opened, at))
        if sample is None:
            continue
        seen = frames_seen(line)
        for number, (medium, places) in enumerate(zip(sample.all_media, opened.media(sample), strict=True)):
            place = places[0]
            if place.path is None:
                continue
            if medium.kind == "frames":
                page["media"][number]["problem"] = f"lists of frames are not included in this file: {medium}"
                continue
            state = session.media.wait(place.path, medium)
            if state["state"] != "ready":
                page["media"][number]["problem"] = state.get("problem", "not converted")
                continue
            file: Path = state["file"]
            name, size = str(file), file.stat().st_size
            if name not in found["clips"]:
                if size > CLIP_BYTES or total + size > ALL_BYTES:
                    page["media"][number]["problem"] = f"{size / 1e6:.0f} MB, too large for this file: {medium}"
                    continue
                total += size
                found["clips"][name] = _data(file, state["type"])
            found["media"][f"{at} {number}"] = {"state": "ready", "type": state["type"], "offset": state["offset"],
                                                "clip": name}  # fmt: skip
            if medium.kind == "image":
                continue
            try:
                strip = session.media.strip(place.path, medium, seen[number] if number < len(seen) else [])
            except VideoError:
                continue
            picture = str(strip.pop("file"))
            found["clips"].setdefault(picture, _data(Path(picture), "image/jpeg"))
            found["strip"][f"{at} {number}"] = strip | {"clip": picture}
    return _renamed(found)


def _renamed(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Clips by number: no path of this machine goes into the file."""
    numbers = {name: str(number) for number, name in enumerate(found["clips"])}
    for part in ("media", "strip"):
        for state in found[part].values():
            state["clip"] = numbers[state["clip"]]
    return found | {"clips": {numbers[name]: data for name, data in found["clips"].items()}}


def _data(file: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"


def _document(name: str, data: dict[str, Any]) -> str:
    """One file: style, modules one after the other, and the data as JSON that no text in it can end."""
    page = resources.files("reeltune.explorer").joinpath("page")
    texts = {each: page.joinpath(each).read_text(encoding="utf-8") for each in (*MODULES, "style.css", FILE)}
    script = "\n".join(IMPORT.sub("", texts[each]).replace("\nexport ", "\n") for each in MODULES)
    told = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; media-src data:"
    html = texts[FILE].replace("<title>", f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<title>')
    html = re.sub(r'<link rel="(icon|modulepreload)".*>\n', "", html)
    html = html.replace('<link rel="stylesheet" href="/page/style.css">', f"<style>\n{texts['style.css']}</style>")
    html = html.replace('<script type="module" src="/page/app.js"></script>\n', "")
    parts = f'<script type="application/json" id="data">{told}</script>\n<script type="module">\n{script}</script>\n'
    return html.replace("</body>", parts + "</body>")


def _remove(cache: Path) -> None:
    for path in sorted(cache.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    cache.rmdir()
