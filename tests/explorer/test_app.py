"""What the server answers: groups, evaluations, sides, notes, exports; and what it refuses."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from tests.explorer.made import HOSTILE_ID, SECONDS, box_at, make_run, rows

from reeltune.explorer.app import _page, make_app
from reeltune.explorer.security import HEADERS
from reeltune.explorer.session import Session
from reeltune.tasks import load_samples

SPAN = "rollouts/step-000001.jsonl:1"
BOX = "rollouts/step-000001.jsonl:2"


def test_sources_say_what_is_open(client: TestClient) -> None:
    run, samples = client.get("/api/sources").json()
    assert (run["name"], run["kind"], run["ready"], run["live"], run["groups"], run["answers"]) == (
        "run", "run", True, False, 20, 32)  # fmt: skip
    assert {"iou", "overlap", "accuracy", "format", "miou", "advantage"} <= set(run["fields"]["answers"])
    assert (samples["kind"], samples["groups"], samples["answers"]) == ("samples", 4, 0)


def test_a_group_holds_what_is_drawn(client: TestClient) -> None:
    page = client.get("/api/group", params={"source": "run", "at": SPAN}).json()
    assert page["truth"]["spans"] == [[1.0, 3.0]]
    first, second = page["completions"]
    assert first["drawn"]["spans"] == [[1.0, 3.1]] and second["drawn"]["spans"] == [[0.0, 1.5]]
    assert first["values"]["advantage"] > 0 > second["values"]["advantage"]
    assert first["components"]["iou"] == pytest.approx(2 / 2.1)
    assert [each["step"] for each in page["history"] if each["part"] == "rollout"] == [1, 2, 3]
    [medium] = page["media"]
    assert (medium["kind"], medium["start"], medium["end"], medium["problem"]) == ("video", 0.0, None, "")
    assert medium["frames"] == [0.0, 1.0, 2.0, 3.0]
    boxes = client.get("/api/group", params={"source": "run", "at": BOX}).json()
    assert boxes["truth"]["boxes"]["boxes"][1] == box_at(1.5) and boxes["start_box"] == box_at(0)
    assert boxes["completions"][0]["drawn"]["boxes"]["times"] == [0.5, 1.5, 3.0]
    assert boxes["completions"][1]["drawn"]["boxes"] is None
    assert "no readable answer" in boxes["completions"][1]["findings"][0]


def test_what_is_marked_is_the_text_of_the_answer(client: TestClient) -> None:
    page = client.get("/api/group", params={"source": "run", "at": "rollouts/step-000001.jsonl:3"}).json()
    completion = page["completions"][0]
    marked = {mark["kind"]: completion["text"][mark["start"] : mark["end"]] for mark in completion["marks"]}
    assert marked == {"think": "red", "answer": "A", "stray": "<think>red</think>"}
    assert completion["drawn"]["text"] == "A"
    assert "not the required format (direct)" in completion["findings"]


def test_the_evaluation_is_taken_apart(client: TestClient) -> None:
    found = client.get("/api/evaluation", params={"source": "run"}).json()
    assert found["steps"] == [0.0, 3.0] and found["step"] == 3.0
    tasks = {task["task"]: task for task in found["tasks"]}
    choice = tasks["multiple_choice"]
    assert choice["all"]["correct"] == 0.5 and choice["all"]["truncated"] == 0.5
    assert choice["confusion"] == {"names": ["A", "B"], "counts": [[1, 0], [1, 0]], "unread": [0, 0]}
    assert next(row["name"] for row in choice["sources"]) != "made"  # the worst source first
    whole = {row["name"]: row for row in tasks["temporal_grounding"]["baselines"]}["whole_video"]
    assert whole["score"] == 0.5 and whole["ours"] == 1.0 and (whole["better"], whole["worse"]) == (1, 0)


def test_sides_are_won_and_lost(client: TestClient) -> None:
    found = client.get("/api/compare", params={"sides": "run@0,run@3"}).json()
    assert found["patterns"] == {"01": 2, "00": 2} and found["n"] == 4 and found["settings"] == []
    assert {row["sample"] for row in found["rows"] if row["pattern"] == "01"} == {"span", "option"}
    won = client.get("/api/compare", params={"sides": "run@0,run@3", "pattern": "01"}).json()["rows"]
    assert {row["sample"] for row in won} == {"span", "option"}
    [difference] = found["differences"]
    assert difference["difference"] == pytest.approx(difference["b"] - difference["a"])
    assert difference["b"] == pytest.approx((1 + 0 + 1 + 0) / 4)
    apart = client.get("/api/compare", params={"sides": "run,samples.jsonl"}).json()
    assert (apart["n"], apart["rows"], apart["differences"]) == (0, [], []) and apart["settings"]  # no dead end
    assert "two to" in client.get("/api/compare", params={"sides": "run"}).json()["error"]
    assert "no evaluation at step" in client.get("/api/compare", params={"sides": "run@0,run@7"}).json()["error"]


def test_settings_that_differ_come_first(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", lr=2e-4, better=False)
    session = Session([tmp_path / "a" / "run", tmp_path / "b" / "run"], cache=tmp_path / "cache")
    for each in session.opened.values():
        each.load()
    assert list(session.opened) == ["a/run", "b/run"]
    with TestClient(make_app(session, hosts=("testserver",))) as client:
        found = client.get("/api/compare", params={"sides": "a/run,b/run"}).json()
    changed = {row["name"]: row["values"] for row in found["settings"]}
    assert changed["optim.lr"] == [1e-4, 2e-4] and "rl.steps" not in changed
    assert found["patterns"] == {"10": 2, "00": 2}


def test_a_chosen_set_is_exported_with_its_notes(client: TestClient, folder: Path, tmp_path: Path) -> None:
    given = {"source": "run", "id": "span", "tags": ["hard", " hard ", ""], "note": "late"}
    assert client.post("/api/notes", json=given).json() == {"id": "span", "tags": ["hard"], "note": "late"}
    try:
        assert json.loads((folder / "run" / "notes.jsonl").read_text()) == {
            "id": "span",
            "tags": ["hard"],
            "note": "late",
        }
        assert client.get("/api/rows", params={"source": "run", "q": "tag:hard", "count": 1}).json()["total"] == 5
        text = client.get("/api/export", params={"source": "run", "table": "answers", "q": "iou>0.9"}).text
    finally:
        client.post("/api/notes", json={"source": "run", "id": "span", "tags": [], "note": ""})
    target = folder / "run" / "exported.jsonl"
    target.write_text(text)
    [sample] = load_samples(target)
    assert sample.id == "span" and sample.video_path.resolve() == (folder / "data" / "videos" / "film.mp4").resolve()
    assert sample.meta == {"type": "motion", "tags": ["hard"], "note": "late"}
    target.unlink()
    assert (folder / "run" / "notes.jsonl").read_text() == ""


def test_a_number_and_a_text_are_distributed(client: TestClient) -> None:
    asked = {"source": "run", "table": "answers", "field": "reward", "q": "part=rollout"}
    found = client.get("/api/histogram", params=asked).json()
    assert (found["low"], found["high"], sum(found["counts"])) == (1.0, 2.0, 24) and found["counts"][0] >= 6
    found = client.get("/api/values", params={"source": "samples.jsonl", "field": "task"}).json()
    assert found[0] == {"value": "multiple_choice", "n": 2}


# ---- Whole run folders ----


def moved(folder: Path, target: Path, *, with_media: bool, roots: list[Path]) -> tuple[Session, TestClient]:
    """The run alone, somewhere else, opened with those media roots."""
    shutil.copytree(folder / "run", target / "elsewhere" / "run")
    if with_media:
        shutil.copytree(folder / "data" / "videos", target / "films" / "deep" / "videos")
    session = Session([target / "elsewhere" / "run"], cache=target / "cache", media_roots=roots)
    for each in session.opened.values():
        each.load()
    return session, TestClient(make_app(session, hosts=("testserver",)))


def test_a_moved_run_has_its_questions_and_finds_its_media(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    _, client = moved(folder, tmp_path / "a", with_media=False, roots=[])
    page = client.get("/api/group", params={"source": "run", "at": SPAN}).json()
    assert "the square passes" in page["prompt"] and "--media-root" in page["media"][0]["problem"]
    _, client = moved(folder, tmp_path / "b", with_media=True, roots=[])
    assert "--media-root" in client.get("/api/media", params={"source": "run", "at": SPAN}).json()["error"]
    roots = [tmp_path / "b" / "films" / "deep"]
    session = Session([tmp_path / "b" / "elsewhere" / "run"], cache=tmp_path / "b" / "cache", media_roots=roots)
    session.get("run").load()
    with TestClient(make_app(session, hosts=("testserver",))) as client:
        found = client.get("/media", params={"source": "run", "at": SPAN})
    assert found.content == (folder / "data" / "videos" / "film.mp4").read_bytes()


def test_another_file_of_that_name_is_not_taken_for_it(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "films" / "film.mp4"
    other.parent.mkdir()
    original = (folder / "data" / "videos" / "film.mp4").read_bytes()
    other.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    _, client = moved(folder, tmp_path, with_media=False, roots=[other.parent])
    assert (
        "not the file that the run used"
        in client.get("/api/media", params={"source": "run", "at": SPAN}).json()["error"]
    )
    other.write_bytes(original)
    assert client.get("/api/media", params={"source": "run", "at": SPAN}).json()["state"] == "ready"


# ---- Refused ----


def test_media_outside_the_given_folders_are_refused(tmp_path: Path) -> None:
    make_run(tmp_path)
    secret = tmp_path / "secret" / "film.mp4"
    secret.parent.mkdir()
    secret.write_bytes((tmp_path / "data" / "videos" / "film.mp4").read_bytes())
    given = tmp_path / "given"
    (given / "videos").mkdir(parents=True)
    lines = [
        rows("../secret/film.mp4")[0],
        rows(str(secret))[1] | {"id": "b"},
        rows("videos/link.mp4")[2] | {"id": "c"},
    ]
    (given / "videos" / "link.mp4").symlink_to(secret)
    (given / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    session = Session([given / "samples.jsonl"], cache=tmp_path / "cache")
    session.get("samples.jsonl").load()
    with TestClient(make_app(session, hosts=("testserver",))) as client:
        for line in (1, 2, 3):
            for path in ("/media", "/api/media", "/api/strip", "/strip.jpg"):
                found = client.get(path, params={"source": "samples.jsonl", "at": f"samples.jsonl:{line}"})
                assert found.status_code == 400 and "outside the given folders" in found.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page/.hidden",
        "/etc/passwd",
        "/page//etc/passwd",
        "/page/app.js%00.html",
        "/page/index.html/../../app.py",
    ],
)
def test_no_path_leaves_the_page(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", ["../app.py", "..", "../page/app.js", ".", "style.css/../../app.py"])
def test_a_name_that_the_router_let_through_leaves_no_page(name: str) -> None:
    """The page's own check, behind the router's: Starlette takes no slash into a name."""
    assert asyncio.run(_page(Request({"type": "http", "path_params": {"name": name}}))).status_code == 404


@pytest.mark.parametrize(
    "at", ["../../samples.jsonl:1", "/etc/passwd:1", "rollouts/step-000001.jsonl:999", "x", ":1", "a:-1"]
)
def test_no_group_outside_the_files(client: TestClient, at: str) -> None:
    for path in ("/api/group", "/media", "/api/strip"):
        assert client.get(path, params={"source": "run", "at": at}).status_code == 400


def test_a_foreign_host_and_a_foreign_page_are_refused(client: TestClient) -> None:
    assert client.get("/api/sources", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/api/sources", headers={"Host": "testserver.evil.example"}).status_code == 421
    note = {"source": "run", "id": "span", "tags": ["x"]}
    assert client.post("/api/notes", json=note, headers={"Origin": "http://evil.example"}).status_code == 403
    assert (
        client.post("/api/notes", content=json.dumps(note), headers={"Content-Type": "text/plain"}).status_code == 400
    )
    for large in ({"note": "x" * 20_000}, {"unknown": "x" * 200_000}):
        assert client.post("/api/notes", json=note | large).status_code == 400
    assert client.get("/api/sources", params={"x": "y" * 9000}).status_code == 414


def test_ranges(client: TestClient, folder: Path) -> None:
    data = (folder / "data" / "videos" / "film.mp4").read_bytes()
    asked = {"source": "run", "at": SPAN}
    part = client.get("/media", params=asked, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == data[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert client.get("/media", params=asked, headers={"Range": "bytes=-5"}).content == data[-5:]
    for bad in ("bytes=" + "0-1," * 500 + "2-3", "bytes=0-1,2-3", f"bytes={len(data) + 5}-", "bytes=0-" + "9" * 80):
        assert client.get("/media", params=asked, headers={"Range": bad}).status_code == 416


def test_a_token_opens_what_others_can_reach(session: Session) -> None:
    with pytest.raises(ValueError, match="needs a token"):
        TestClient(make_app(session, hosts=())).get("/")
    app = make_app(session, hosts=(), token="secret")
    with TestClient(app) as stranger:
        assert stranger.get("/api/sources").status_code == 401
        assert stranger.get("/api/sources", cookies={"reeltune_explorer": "wrong"}).status_code == 401
        assert stranger.get("/?token=wrong").status_code == 401
    with TestClient(app) as reader:
        opened = reader.get("/?token=secret&view=table", follow_redirects=False)
        assert opened.status_code == 303 and opened.headers["location"] == "/?view=table"
        assert "HttpOnly" in opened.headers["set-cookie"] and "samesite=strict" in opened.headers["set-cookie"].lower()
        assert reader.get("/api/sources").status_code == 200


def test_every_answer_forbids_what_is_foreign(client: TestClient) -> None:
    for path in ("/", "/page/app.js", "/api/sources", "/nowhere"):
        found = client.get(path)
        for name, value in HEADERS.items():
            assert found.headers[name] == value
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_no_page_names_a_foreign_address() -> None:
    pages = Path(__file__).parents[2] / "src" / "reeltune" / "explorer" / "page"
    assert len(list(pages.iterdir())) > 8
    for path in pages.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https?", "") and "innerHTML" not in text and len(text.splitlines()) < 300


def test_hostile_names_come_as_text(client: TestClient) -> None:
    found = client.get("/api/rows", params={"source": "run", "q": "part=rollout step=1"})
    assert found.headers["content-type"] == "application/json"
    assert HOSTILE_ID in [row["sample"] for row in found.json()["rows"]] and SECONDS
