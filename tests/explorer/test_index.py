"""The index holds what the files say, follows them as they grow, change and go, and can be made again."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.explorer.made import HOSTILE_ID, make_run, step_rows, write_rows

from reeltune.data.kept import keep_samples
from reeltune.errors import InputError
from reeltune.explorer.group import group_page
from reeltune.explorer.opened import Opened
from reeltune.explorer.query import parse
from reeltune.explorer.sources import open_sources
from reeltune.tasks import load_samples


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def opened(path: Path, **options: Any) -> Opened:
    [source] = open_sources([path])
    found = Opened(source, path.parent / "cache", **options)
    found.load()
    return found


def rows(run: Opened, query: str = "", table: str = "groups", **options: Any) -> list[dict[str, Any]]:
    return run.index.rows(table, run.index.where(table, parse(query), {}), **options)


def test_every_answer_of_every_file_is_a_row(run: Path) -> None:
    found = opened(run)
    texts = [text for path in sorted((run / "rollouts").iterdir()) for line in path.read_text().splitlines()
             for text in json.loads(line)["texts"]]  # fmt: skip
    assert [row["text"] for row in rows(found, "part=rollout", "answers")] == texts and len(texts) == 24
    assert len(rows(found, "part=evaluation")) == 8
    [row] = rows(found, "part=rollout sample=span step=2")
    plain = step_rows(2)[0]
    assert row["reward"] == pytest.approx(sum(plain["reward"]) / 2) and row["best"] == max(plain["reward"])
    assert row["iou"] == pytest.approx(sum(plain["components"]["iou"]) / 2)
    assert (row["type"], row["source"], row["span"], row["truncated"]) == ("motion", "made", 2.0, 0.5)


def test_answers_of_an_evaluation_are_scored_as_score_does(run: Path) -> None:
    found = opened(run)
    last = {row["sample"]: row for row in rows(found, "part=evaluation step=3")}
    assert last["span"]["miou"] == 1.0 and last["span"]["r@0.7"] == 1.0 and last["span"]["correct"] == 1.0
    assert last["box"]["unreadable"] == 1.0 and last["box"]["correct"] == 0.0
    assert last["option"]["accuracy"] == 1.0


def test_sorted_and_in_parts(run: Path) -> None:
    found = opened(run)
    whole = rows(found, "part=rollout", "answers", sort="-reward")
    rewards = [row["reward"] for row in whole]
    assert rewards == sorted(rewards, reverse=True) and len(set(rewards)) > 3
    parts = [rows(found, "part=rollout", "answers", sort="-reward", offset=at, limit=10) for at in (0, 10, 20)]
    assert [row["key"] for part in parts for row in part] == [row["key"] for row in whole]
    assert rows(found, sort="iou")[-1].get("iou") is None  # what has none stands last
    with pytest.raises(InputError, match="no field"):
        rows(found, sort="-rewrd")


def test_follows_files_that_grow_change_and_go(run: Path) -> None:
    found = opened(run)
    before = found.index.generation
    assert not found.refresh() and found.index.generation == before
    write_rows(run / "rollouts" / "step-000004.jsonl", step_rows(4))
    assert found.refresh() and len(rows(found, "step=4")) == 4
    write_rows(run / "rollouts" / "step-000004.jsonl", step_rows(4)[:1])
    assert found.refresh() and len(rows(found, "step=4")) == 1
    assert len(rows(found, "step=4", "answers")) == 2
    (run / "rollouts" / "step-000004.jsonl").unlink()
    assert found.refresh() and rows(found, "step=4") == [] and rows(found, "step=4", "answers") == []


def evaluation(folder: Path) -> Path:
    """FOLDER/eval with the samples alone; the file that its predictions go to."""
    make_run(folder)
    (folder / "eval").mkdir()
    (folder / "eval" / "samples.jsonl").write_text((folder / "data" / "samples.jsonl").read_text())
    return folder / "eval" / "predictions.jsonl"


def test_predictions_are_read_on_from_where_they_ended(tmp_path: Path) -> None:
    file = evaluation(tmp_path)
    first = json.dumps({"id": "option", "text": "<answer>A</answer>"}) + "\n"
    file.write_text(first + '{"id": "span", "te')
    found = opened(file.parent)
    assert [row["sample"] for row in rows(found)] == ["option"]  # half a line is no line yet
    file.write_text(first + json.dumps({"id": "span", "text": "<answer>1 to 3</answer>"}) + "\n")
    assert found.refresh()
    assert [(row["sample"], row["correct"], row["line"]) for row in rows(found)] == [
        ("option", 1.0, 1),
        ("span", 1.0, 2),
    ]


def test_a_longer_file_in_the_place_of_another_is_read_anew(tmp_path: Path) -> None:
    file = evaluation(tmp_path)
    write_rows(file, [{"id": "option", "text": "<answer>A</answer>"}])
    found = opened(file.parent)
    write_rows(
        file, [{"id": "option", "text": "<answer>B</answer>"}, {"id": "span", "text": "<answer>1 to 3</answer>"}]
    )
    assert found.refresh()
    assert [(row["sample"], row["text"]) for row in rows(found, table="answers")] == [
        ("option", "<answer>B</answer>"),
        ("span", "<answer>1 to 3</answer>"),
    ]


def test_an_index_is_used_again_and_made_again(run: Path) -> None:
    first = opened(run)
    everything = rows(first, table="answers")
    again = opened(run)
    assert again.index.generation == 0  # nothing was read
    assert rows(again, table="answers") == everything
    for path in (run.parent / "cache").iterdir():
        path.unlink()
    assert rows(opened(run), table="answers") == everything


def test_a_faulty_line_is_named_and_leaves_the_others(run: Path) -> None:
    file = run / "rollouts" / "step-000002.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["not json", lines[0], '{"id": "x"}', lines[1]]) + "\n")
    found = opened(run)
    assert len(rows(found, "step=2")) == 2
    assert ["line 1" in each or "line 3" in each for each in found.index.problems] == [True, True]


def test_names_of_hostile_samples_are_only_text(run: Path) -> None:
    found = opened(run)
    assert len(rows(found, f'sample="{HOSTILE_ID.replace(chr(34), chr(92) + chr(34))}" part=rollout')) == 3


def test_a_folder_of_many_kinds_is_looked_through(tmp_path: Path) -> None:
    make_run(tmp_path)
    kinds = {source.name: source.kind for source in open_sources([tmp_path])}
    assert kinds == {"run": "run", "data": "samples"}
    assert [source.name for source in open_sources([tmp_path / "run", tmp_path / "data"])] == ["run", "data"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no run"):
        open_sources([tmp_path / "empty"])
    with pytest.raises(InputError, match="no such file"):
        open_sources([tmp_path / "gone"])


def test_duplicates_are_counted(tmp_path: Path) -> None:
    make_run(tmp_path)
    file = tmp_path / "data" / "samples.jsonl"
    twice = json.loads(file.read_text().splitlines()[0]) | {"id": "span again"}
    file.write_text(file.read_text() + json.dumps(twice) + "\n")
    assert {row["sample"]: row["duplicates"] for row in rows(opened(file), "duplicates>0")} == {
        "span": 1,
        "span again": 1,
    }


def test_media_of_two_files_are_leaks(tmp_path: Path) -> None:
    make_run(tmp_path)
    file = tmp_path / "data" / "samples.jsonl"
    lines = file.read_text().splitlines()
    (tmp_path / "data" / "held_out.jsonl").write_text(lines[0].replace('"span"', '"held"') + "\n")
    found = opened(tmp_path / "data")
    assert {row["sample"] for row in rows(found, "leaks>0")} == {"held", *(json.loads(line)["id"] for line in lines)}


def test_several_media_parts_and_turns_are_kept_and_found(tmp_path: Path) -> None:
    """As a sample has them: an earlier turn's image, a part of a video, a list of frames."""
    make_run(tmp_path)
    data = tmp_path / "data"
    for name in ("map.png", "walk/a2.png", "walk/a10.png"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(name.encode())
    sample = {
        "id": "many", "task": "open_ended", "question": "What?", "target": "a walk",
        "turns": [{"role": "user", "text": "Look.", "media": [{"image": "map.png"}]},
                  {"role": "assistant", "text": "Yes."}],
        "media": [{"video": "videos/film.mp4", "start": 1.0, "end": 2.5}, {"frames": "walk", "fps": 2}],
    }  # fmt: skip
    write_rows(data / "many.jsonl", [sample])
    folder = tmp_path / "deep" / "run"
    keep_samples(folder, {"train": load_samples(data / "many.jsonl")})
    [kept] = load_samples(folder / "samples" / "train.jsonl")
    assert [path.resolve() for path in kept.files] == [data / "map.png", data / "videos" / "film.mp4", data / "walk"]
    assert kept.all_media[1].start == 1.0
    found = opened(data / "many.jsonl")
    page = group_page(found, "many.jsonl:1")
    assert [(each["kind"], each["start"], each["end"], each["problem"]) for each in page["media"]] == [
        ("image", 0.0, None, ""), ("video", 1.0, 2.5, ""), ("frames", 0.0, None, "")]  # fmt: skip
