"""Answers and scores of others, opened as an evaluation; what a judge said, and what breaks the form, in the text."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.explorer.made import make_run, write_rows

from reeltune.errors import InputError
from reeltune.evaluation.score import score
from reeltune.explorer.evaluation import breakdown
from reeltune.explorer.findings import judged, read_answer
from reeltune.explorer.group import group_page
from reeltune.explorer.opened import Opened
from reeltune.explorer.overview import overview
from reeltune.explorer.query import parse
from reeltune.explorer.sources import open_sources
from reeltune.media import rebase
from reeltune.sample import to_sample
from reeltune.selection.outcome import write_outcome
from reeltune.selection.rules import Decision, Options
from reeltune.selection.stats import SampleStats
from reeltune.tasks import sample_types


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    make_run(tmp_path)
    return tmp_path / "data" / "samples.jsonl"


def opened(path: Path, samples: Path | None) -> Opened:
    [source] = open_sources([path], [samples] if samples else [])
    assert source.kind == "answers"
    found = Opened(source, path.parent / "cache")
    found.load()
    return found


def rows(found: Opened) -> dict[str, dict[str, Any]]:
    return {row["sample"]: row for row in found.index.rows("groups", found.index.where("groups", parse(""), {}))}


def test_logs_of_another_evaluator_open_as_an_evaluation(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "cuda:0.jsonl"
    log = [{"video_path": "/x/film.mp4", "prompt": "Which colour? A. red", "gt": {}, "pred": "<answer>A</answer>"},
           {"video_path": "/x/film.mp4", "prompt": "When the square passes?", "gt": {}, "pred": "1 to 2"}]  # fmt: skip
    write_rows(path, log)
    found = opened(path, samples)
    assert found.problems == [] and "their videos and questions" in found.said[0]
    assert {name: row["correct"] for name, row in rows(found).items()} == {"option": 1.0, "span": 1.0}
    page = group_page(found, "cuda:0.jsonl:2")
    assert page["completions"][0]["drawn"]["spans"] == [[1.0, 2.0]] and page["truth"]["spans"] == [[1.0, 3.0]]
    assert page["completions"][0]["findings"] == []  # nobody knows how it was asked for
    parts = {task["task"]: task for task in breakdown(found, {})["tasks"]}
    assert parts["multiple_choice"]["confusion"]["counts"] == [[1]] and parts["temporal_grounding"]["baselines"]
    write_rows(path, log[:1])
    assert found.refresh() and set(rows(found)) == {"option"}


def test_without_their_samples_one_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_rows(path, [{"doc_id": 0, "doc": {}, "resps": [["A"]], "target": "A"}])
    assert "--samples" in opened(path, None).problems[0]
    write_rows(path, [{"a": 1}])
    with pytest.raises(InputError, match="its first row has a"):
        open_sources([path])


def test_scores_open_as_an_evaluation(samples: Path, tmp_path: Path) -> None:
    """As `reeltune score --per-sample` writes them, with and without the samples beside."""
    predictions, path = tmp_path / "p.jsonl", tmp_path / "scores.jsonl"
    texts = {"span": "<answer>1.0 to 2.0</answer>", "option": "<answer>B</answer>", "box": "nowhere"}
    write_rows(predictions, [{"id": name, "text": text} for name, text in texts.items()])
    write_rows(path, score(samples, predictions, resamples=0, keep_samples=True).per_sample)
    for given in (samples, None):
        found = opened(path, given)
        own = rows(found)
        assert own["span"]["miou"] == own["span"]["iou"] == 0.5 and own["span"]["correct"] == 1.0
        assert (own["option"]["accuracy"], own["box"]["unreadable"]) == (0.0, 1.0)
        tasks = {task["task"]: task for task in breakdown(found, {})["tasks"]}
        assert tasks["temporal_grounding"]["all"]["correct"] == 1.0 and bool(tasks["multiple_choice"]["confusion"]) is (
            given is not None
        )
        places = {json.loads(line)["id"]: number for number, line in enumerate(path.read_text().splitlines(), 1)}
        page = group_page(found, f"scores.jsonl:{places['span']}")
        assert page["completions"][0]["drawn"]["spans"] == [[1.0, 2.0]]
        page = group_page(found, f"scores.jsonl:{places['box']}")
        assert "no readable answer" in page["completions"][0]["findings"][0]


def test_judged_scores_of_an_evaluation_are_columns(samples: Path, tmp_path: Path) -> None:
    """`reeltune eval` writes per_sample.jsonl beside the predictions, with what only the judge could say."""
    folder = tmp_path / "eval"
    write_rows(folder / "predictions.jsonl", [{"id": "span", "text": "<answer>1 to 3</answer>"}])
    write_rows(folder / "per_sample.jsonl", [{"id": "span", "miou": 50.0, "autodq.recall": 25.0, "answers": []}])
    [source] = open_sources([folder], [samples])
    found = Opened(source, tmp_path / "cache")
    found.load()
    assert (rows(found)["span"]["autodq.recall"], rows(found)["span"]["miou"]) == (0.25, 1.0)  # the latter as read here
    where = found.index.where("groups", parse("autodq.recall<0.3"), {})
    assert found.index.count("groups", where) == 1
    [task] = breakdown(found, {})["tasks"]
    assert task["all"]["autodq.recall"] == 0.25
    write_rows(folder / "per_sample.jsonl", [{"id": "span", "autodq.recall": 75.0, "answers": []}])
    again = Opened(source, tmp_path / "cache")  # judged anew, over the same index
    again.load()
    assert rows(again)["span"]["autodq.recall"] == 0.75


def test_a_selection_has_its_reasons_and_its_media(samples: Path, tmp_path: Path) -> None:
    """As `reeltune select` leaves it, elsewhere than the videos: they are shown because it recorded which they are."""
    folder = tmp_path / "selected"
    lines = [json.loads(line) for line in samples.read_text().splitlines()][:2]
    stats = [
        SampleStats(id=each["id"], index=n, task=each["task"], source=None, rewards=[1.0, 2.0], scores=[0.0, 1.0],
                    components={"iou": [0.0, 1.0]}, mean=0.5, std=0.7, passes=1, unparsed=0, truncated=0,
                    lengths=[3, 3], best="<answer>1.0 to 3.0</answer>", worst="<answer>0.0 to 1.0</answer>", model="m",
                    sampling="s", prompt="p", sample=rebase(each, samples.parent, folder))
        for n, each in enumerate(lines)
    ]  # fmt: skip
    write_rows(folder / "stats.jsonl", [each.model_dump() for each in stats])
    (folder / "identity.json").write_text('{"settings": {"mode": "direct"}}')
    decisions = [
        Decision(id=each.id, kind="varied", difficulty="medium", kept=not n, reason="poor" if n else "kept", rank=None)
        for n, each in enumerate(stats)
    ]
    write_outcome(folder, stats, decisions, Options(), origin=folder)
    [source] = open_sources([folder])
    found = Opened(source, tmp_path / "cache")
    found.load()
    assert source.kind == "selection" and found.problems == []
    assert [(row["reason"], row["kept"], row["n"]) for row in overview(found)["decisions"]] == [
        ("kept", 1, 1), ("poor", 0, 1)]  # fmt: skip
    page = group_page(found, "stats.jsonl:1")
    assert page["media"][0]["problem"] == "" and "think" not in page["prompt"]
    assert page["completions"][0]["drawn"]["spans"] == [[1.0, 3.0]]


def test_what_init_set_aside_is_a_finding(samples: Path) -> None:
    write_rows(samples.parent / "set_aside.jsonl", [{"row": 7, "id": "x", "video": "y.mp4", "reason": "it is gone"}])
    [source] = open_sources([samples.parent])
    found = Opened(source, samples.parent / "cache")
    found.load()
    [finding] = [each for each in overview(found)["findings"] if "set_aside" in each["kind"]]
    assert finding["n"] == 1 and finding["places"] == ["row 7: it is gone"]


def test_what_a_run_kept_comes_before_samples_that_are_given(samples: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    write_rows(
        other, [{"id": "span", "task": "temporal_grounding", "video": "a.mp4", "query": "?", "target": [[0, 1]]}]
    )
    predictions = tmp_path / "p.jsonl"
    write_rows(predictions, [{"id": "span", "text": "0 to 1"}])
    run, answers = open_sources([tmp_path / "run", predictions], [other])
    assert {path.name for path in run.samples} == {"train.jsonl", "held_out.jsonl"} and answers.samples == (other,)


def marked(text: str, marks: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(mark["kind"], text[mark["start"] : mark["end"]]) for mark in marks]


def test_what_breaks_the_form_is_marked(samples: Path) -> None:
    option = {"id": "o", "task": "multiple_choice", "question": "?", "options": ["x", "y"], "target": "A"}
    sample = to_sample(option, sample_types())
    text = "Well. <answer>A</answer> I am sure."
    found = read_answer(text, sample, "direct")
    assert marked(text, found["marks"]) == [("answer", "A"), ("stray", "Well."), ("stray", "I am sure.")]
    assert found["findings"] == ["not the required format (direct)"]
    [finding] = read_answer(text, sample, "think")["findings"]
    assert finding == "not the required format (think); missing, incomplete or misplaced: <think>"
    assert read_answer(text, sample, None)["findings"] == []
    good = "<think>so</think><answer>A</answer>"
    assert read_answer(good, sample, "think")["findings"] == []
    unread = "<think>so</think><answer>A or B</answer>"
    assert ("unreadable", "A or B") in marked(unread, read_answer(unread, sample, "think")["marks"])


def test_lines_of_thinking_that_are_no_subject_are_marked() -> None:
    row = {"id": "c", "task": "captioning", "video": "v", "caption": "The red circle appears.", "events": []}
    text = "<think>\nred circle | red | appears\nwho knows\n</think><answer>The red circle appears.</answer>"
    found = read_answer(text, to_sample(row, sample_types()), "structured")
    assert [part for part in marked(text, found["marks"]) if part[0] == "stray"] == [("stray", "who knows")]
    assert found["findings"] == ["not the required format (structured)"]


def test_verdicts_on_what_the_answer_says_are_marked_in_it() -> None:
    text = "<think>the cat sits</think><answer>The cat  sits. The dog runs. The cat sits.</answer>"
    said = [{"of": "reference", "statement": "the dog runs", "said": "neutral"},
            {"of": "answer", "statement": "the cat sits", "said": "entailment"},
            {"of": "answer", "statement": "the cat sits", "said": "neutral"},
            {"of": "answer", "statement": "a dog is running", "said": "contradiction"}]  # fmt: skip
    found = judged(text, said)
    assert marked(text, found["marks"]) == [("said-entailment", "The cat  sits"), ("said-neutral", "The cat sits")]
    assert [verdict["marked"] for verdict in found["verdicts"]] == [False, True, True, False]
