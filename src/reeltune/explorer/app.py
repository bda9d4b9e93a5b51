"""The server: the page's own files, and what it asks for, as JSON. Every address names a source that is open."""

import json
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from reeltune.errors import InputError, VideoError
from reeltune.explorer.charts import histogram, values
from reeltune.explorer.compare import compare
from reeltune.explorer.evaluation import breakdown
from reeltune.explorer.group import find_group, frames_seen, group_page, group_sample
from reeltune.explorer.index import TABLES
from reeltune.explorer.opened import Opened
from reeltune.explorer.overview import overview, source_card
from reeltune.explorer.query import parse
from reeltune.explorer.security import LOOPBACK, Guard
from reeltune.explorer.session import Session
from reeltune.media import Medium, rebase
from reeltune.video.images import frame_files

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
LARGEST_BODY = 100_000


def make_app(session: Session, *, hosts: tuple[str, ...] = LOOPBACK, token: str = "") -> Starlette:
    """The ASGI application. `hosts` empty: any name, and then `token` is asked for."""

    def answer(make: Callable[[Mapping[str, str]], Any]) -> Callable[[Request], Any]:
        """JSON of what `make` gives for an address' parameters; what the reader can fix is a message."""

        async def respond(request: Request) -> Response:
            try:
                found = await run_in_threadpool(make, request.query_params)
            except (InputError, VideoError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 400)
            return found if isinstance(found, Response) else JSONResponse(found)

        return respond

    def opened(asked: Mapping[str, str]) -> Opened:
        return session.get(asked.get("source", ""))

    async def note(request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_BODY or request.headers.get("content-type") != "application/json":
            return JSONResponse({"error": "a note must be a small JSON object"}, 400)
        try:
            given = json.loads(body)
            notes = session.get(given["source"]).notes
            tags = [str(tag) for tag in given.get("tags", [])]
            return JSONResponse(await run_in_threadpool(notes.set, str(given["id"]), tags, str(given.get("note", ""))))
        except (InputError, ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"error": f"the note was not saved: {error}"}, 400)

    routes = [
        Route("/api/sources", answer(lambda _: [source_card(each) for each in session.opened.values()])),
        Route("/api/rows", answer(lambda asked: _rows(opened(asked), asked))),
        Route("/api/values", answer(lambda asked: values(opened(asked), asked))),
        Route("/api/histogram", answer(lambda asked: histogram(opened(asked), asked))),
        Route("/api/group", answer(lambda asked: group_page(opened(asked), asked.get("at", "")))),
        Route("/api/overview", answer(lambda asked: overview(opened(asked)))),
        Route("/api/evaluation", answer(lambda asked: breakdown(opened(asked), asked))),
        Route("/api/compare", answer(lambda asked: compare(session, asked))),
        Route("/api/export", answer(lambda asked: _export(opened(asked), asked))),
        Route("/api/media", answer(lambda asked: _media(session, opened(asked), asked))),
        Route("/api/strip", answer(lambda asked: _strip(session, opened(asked), asked))),
        Route("/media", answer(lambda asked: _media_file(session, opened(asked), asked))),
        Route("/strip.jpg", answer(lambda asked: _strip_file(session, opened(asked), asked))),
        Route("/api/notes", note, methods=["POST"]),
        Route("/", _page),
        Route("/page/{name}", _page),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts, token=token)])


async def _page(request: Request) -> Response:
    name = request.path_params.get("name", "index.html")
    file = resources.files("reeltune.explorer").joinpath("page", name)
    if "/" in name or name.startswith(".") or Path(name).suffix not in TYPES or not file.is_file():
        return JSONResponse({"error": "there is no such page"}, 404)
    return Response(file.read_bytes(), media_type=TYPES[Path(name).suffix], headers={"Cache-Control": "no-cache"})


def _rows(opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    """Rows of a filter in an order: `table`, `q`, `sort`, `offset`, `limit`; `count=1` counts them all too.

    A filter is asked while it is typed: what is wrong with it is a part of the answer.
    """
    table = _table(asked)
    index = opened.index
    try:
        where = index.where(table, parse(asked.get("q", "")), opened.notes.tagged())
    except InputError as error:
        return {"rows": [], "total": 0, "problem": str(error)}
    found = index.rows(
        table, where, sort=asked.get("sort", ""), offset=int(asked.get("offset", 0)), limit=int(asked.get("limit", 100))
    )
    if table == "answers":
        places = index.by_keys("groups", list(dict.fromkeys(row["grp"] for row in found)))
        questions = {row["key"]: row["question"] for row in places}
        found = [row | {"question": questions.get(row["grp"])} for row in found]
    rows = [{name: value for name, value in row.items() if value is not None} for row in found]
    for row in rows:
        row["at"] = f"{row['file']}:{int(row['line'])}"
        if tags := opened.notes.of(row["sample"])["tags"]:
            row["tags"] = tags
    total = index.count(table, where) if asked.get("count") else None
    return {"rows": rows, "total": total, "generation": index.generation}


def _table(asked: Mapping[str, str]) -> str:
    table = asked.get("table", "groups")
    if table not in TABLES:
        raise InputError(f"table={table!r}: the tables are {', '.join(TABLES)}")
    return table


def _export(opened: Opened, asked: Mapping[str, str]) -> Response:
    """The samples of a filter as samples.jsonl, their media relative to `folder`; notes and tags under `meta`."""
    table = _table(asked)
    where = opened.index.where(table, parse(asked.get("q", "")), opened.notes.tagged())
    ids = opened.index.ids(table, where)

    def lines() -> Iterator[str]:
        for name in ids:
            group = opened.index.select("SELECT * FROM groups WHERE sample = ? ORDER BY key LIMIT 1", (name,))[0]
            _, sample = group_sample(opened, group)
            if sample is None:
                continue
            base = sample.folder.absolute()
            row = rebase(sample.model_dump(mode="json", exclude_unset=True), base, opened.source.folder.absolute())
            note = opened.notes.of(name)
            if note["tags"] or note["note"]:
                row["meta"] = {**row.get("meta", {}), "tags": note["tags"], "note": note["note"]}
            yield json.dumps(row, ensure_ascii=False) + "\n"

    headers = {"Content-Disposition": 'attachment; filename="samples.jsonl"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


def _found(opened: Opened, asked: Mapping[str, str]) -> tuple[Path, Medium, list[float]]:
    """Where a group's medium number `n` stands, what of it is meant, and the frames of it that the model saw.

    Of a list of frames: the image number `frame`.
    """
    row, sample = group_sample(opened, find_group(opened, asked.get("at", "")))
    number = int(asked.get("n", 0))
    if sample is None or not 0 <= number < len(sample.all_media):
        raise InputError("this group has no such medium")
    medium, places = sample.all_media[number], opened.media(sample)[number]
    if problem := next((each.problem for each in places if each.path is None), ""):
        raise InputError(problem)
    paths = [each.path for each in places if each.path]
    files = frame_files(paths) if medium.kind == "frames" else paths
    frame = int(asked.get("frame", 0))
    if not 0 <= frame < len(files):
        raise InputError("this medium has no such frame")
    seen = frames_seen(row)
    return files[frame], medium, seen[number] if number < len(seen) else []


def _media(session: Session, opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    path, medium, _ = _found(opened, asked)
    if medium.kind == "frames":
        count = len(frame_files([path.parent])) if len(medium.names) == 1 else len(medium.names)
        return {"state": "ready", "type": "frames", "count": count, "fps": medium.fps or 1.0, "offset": 0.0}
    state = session.media.playable(path, medium)
    return {name: value for name, value in state.items() if name != "file"}


def _media_file(session: Session, opened: Opened, asked: Mapping[str, str]) -> Response:
    path, medium, _ = _found(opened, asked)
    state = session.media.playable(path, medium)
    if state["state"] != "ready":
        raise InputError("this medium is not ready")
    return FileResponse(state["file"], media_type=state["type"], headers={"Cache-Control": "private, max-age=60"})


def _strip(session: Session, opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    found = _strip_of(session, opened, asked)
    return {name: value for name, value in found.items() if name != "file"}


def _strip_file(session: Session, opened: Opened, asked: Mapping[str, str]) -> Response:
    found = _strip_of(session, opened, asked)
    return FileResponse(found["file"], media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})


def _strip_of(session: Session, opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    """Its times count from where the medium's part begins, as those of spans do."""
    path, medium, seen = _found(opened, asked)
    return session.media.strip(path, medium, seen)
