import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reeltune.errors import InputError
from reeltune.report.demo import headline, write_demo_report
from reeltune.report.demo_files import evenly_spaced, read_demo
from reeltune.tasks import get_task, load_samples

Check = Callable[[str], Any]


def change_results(demo: Path, model: str, **values: float | None) -> None:
    path = demo / "results.json"
    results = json.loads(path.read_text())
    results[model].update(values)
    path.write_text(json.dumps(results))


def test_the_page_is_whole_and_holds_the_numbers_of_the_files(make_demo: Callable[[], Path], check_page: Check) -> None:
    demo = make_demo()
    path = write_demo_report(demo)
    assert path == demo / "report.html"
    page = check_page(path.read_text(encoding="utf-8"))
    results = json.loads((demo / "results.json").read_text())
    for row in results.values():
        for key in ("miou", "r@0.3", "r@0.5", "r@0.7", "unparsed"):
            assert f"{row[key]:.1f}" in page.text, key
    gain = results["grpo"]["miou"] - results["base"]["miou"]
    assert f"({gain:+.1f} points) in 3 min 07 s" in page.text
    assert "Toyworld is a simulation" in page.text and "none was picked by hand" in page.text
    assert len(page.named("video")) == 12
    assert all({"controls", "loop", "muted", "playsinline"} <= set(video) for video in page.named("video"))


def test_curves_end_on_the_last_evaluation(make_demo: Callable[[], Path]) -> None:
    demo = make_demo()
    html = write_demo_report(demo).read_text(encoding="utf-8")
    for run in ("grpo", "sft"):
        lines = [json.loads(line) for line in (demo / run / "metrics.jsonl").read_text().splitlines()]
        found = [
            (line["step"], line["eval/temporal_grounding/miou"])
            for line in lines
            if len(line) and "eval/temporal_grounding/miou" in line
        ]
        assert f"from {found[0][1]:.4g} at 0 to {found[-1][1]:.4g} at {found[-1][0]}" in html


def test_answers_are_scored_as_the_task_scores_them(make_demo: Callable[[], Path]) -> None:
    demo = read_demo(make_demo())
    for model in ("base", "sft", "grpo"):
        assert demo.mean_iou(model, demo.samples) == pytest.approx(demo.result(model, "miou"))
        unread = sum(answer.spans is None for answer in demo.answers[model].values())
        assert 100 * unread / len(demo.samples) == pytest.approx(demo.result(model, "unparsed"))


@pytest.mark.parametrize(("miou", "words"), [(10.0, "lowered"), (20.0, "left unchanged"), (30.0, "raised")])
def test_the_headline_says_what_was_measured(make_demo: Callable[[], Path], miou: float, words: str) -> None:
    demo = make_demo()
    change_results(demo, "base", miou=20.0)
    change_results(demo, "grpo", miou=miou, seconds=None)
    sentence = headline(read_demo(demo))
    assert words in sentence and f"from 20.0 to {miou:.1f} %" in sentence and sentence.endswith("points).")


def test_hostile_answers_and_questions_are_escaped(
    make_demo: Callable[[], Path], tmp_path: Path, check_page: Check
) -> None:
    demo = make_demo()
    bad = '<script>alert(1)</script><img src=x onerror="alert(2)">\u2028\x00'
    samples = Path(json.loads((demo / "demo.json").read_text())["held_out"])
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    for row in rows:
        row["video"] = str(samples.parent / row["video"])
        row["query"] = f"happens {bad} and stays"
        row["meta"]["kind"] = bad
    moved = tmp_path / "hostile.jsonl"
    moved.write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = json.loads((demo / "demo.json").read_text())
    (demo / "demo.json").write_text(json.dumps(facts | {"held_out": str(moved), "seed": bad}))
    (demo / "predictions" / "grpo.jsonl").write_text(
        "".join(json.dumps({"id": row["id"], "text": bad}) + "\n" for row in rows)
    )
    page = check_page(write_demo_report(demo).read_text(encoding="utf-8"))
    assert page.named("img") == [] and "<script>alert(1)</script>" in page.text


def test_missing_pieces_are_said_and_the_page_is_still_there(make_demo: Callable[[], Path], check_page: Check) -> None:
    demo = make_demo()
    for name in ("base", "sft", "grpo"):
        (demo / "predictions" / f"{name}.jsonl").unlink()
    for run in ("sft", "grpo"):
        for name in ("metrics.jsonl", "config.yaml"):
            (demo / run / name).unlink()
    (demo / "results.json").write_text(json.dumps({"base": {"miou": 12.5, "seconds": 1.0}}))
    page = check_page(write_demo_report(demo).read_text(encoding="utf-8"))
    assert "The demo is not complete" in page.text and "no evaluation was recorded" in page.text
    assert "There are no predictions" in page.text and "12.5" in page.text


def test_a_sample_without_prediction_is_named(make_demo: Callable[[], Path], check_page: Check) -> None:
    demo = make_demo()
    first = min(load_samples(Path(json.loads((demo / "demo.json").read_text())["held_out"])), key=lambda s: s.id)
    path = demo / "predictions" / "base.jsonl"
    path.write_text("".join(line for line in path.open() if json.loads(line)["id"] != first.id))
    assert "Base model: no prediction" in check_page(write_demo_report(demo).read_text(encoding="utf-8")).text


def test_the_same_files_give_the_same_page(make_demo: Callable[[], Path]) -> None:
    demo = make_demo()
    assert write_demo_report(demo).read_bytes() == write_demo_report(demo).read_bytes()


@pytest.mark.parametrize("name", ["results.json", "demo.json"])
def test_unusable_files_are_named(make_demo: Callable[[], Path], name: str) -> None:
    demo = make_demo()
    (demo / name).write_text("[")
    with pytest.raises(InputError, match=f"{name} is not JSON"):
        write_demo_report(demo)
    (demo / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        write_demo_report(demo)
    assert not (demo / "report.html").exists()


@pytest.mark.parametrize(
    ("count", "wanted", "positions"), [(5, 12, [0, 1, 2, 3, 4]), (10, 4, [0, 3, 6, 9]), (9, 1, [0]), (0, 3, [])]
)
def test_evenly_spaced(count: int, wanted: int, positions: list[int]) -> None:
    assert evenly_spaced(count, wanted) == positions


def test_the_dozen_is_evenly_spaced_by_id(make_demo: Callable[[], Path]) -> None:
    demo = make_demo()
    html = write_demo_report(demo).read_text(encoding="utf-8")
    ids = sorted(sample.id for sample in read_demo(demo).samples)
    shown = [name for name in ids if f'<p class="id">{name}</p>' in html]
    assert shown == [ids[index * (len(ids) - 1) // 11] for index in range(12)]


def test_gold_predictions_read_one(make_demo: Callable[[], Path]) -> None:
    demo = make_demo()
    task = get_task("temporal_grounding")
    (demo / "predictions" / "grpo.jsonl").write_text(
        "".join(json.dumps({"id": s.id, "text": task.gold(s, "direct")}) + "\n" for s in read_demo(demo).samples)
    )
    assert write_demo_report(demo).read_text(encoding="utf-8").count('<span class="score">1.00</span>') >= 12


def test_a_demo_of_two_trained_tasks_shows_both_and_what_was_kept(
    make_demo: Callable[[], Path], check_page: Check
) -> None:
    demo = make_demo()
    assert "Tracking" not in check_page(write_demo_report(demo).read_text(encoding="utf-8")).text
    change_results(demo, "base", mean_overlap=31.23, retained=61.23)
    change_results(demo, "grpo", mean_overlap=52.34, retained=60.12)
    facts = json.loads((demo / "demo.json").read_text())
    (demo / "demo.json").write_text(json.dumps(facts | {"retained": ["multiple_choice", "numeric"]}))
    page = check_page(write_demo_report(demo).read_text(encoding="utf-8"))
    assert "the overlap of its tracks from 31.2 to 52.3 %" in page.text
    assert all(word in page.text for word in ("Tracking: mean overlap", "Not trained, mean", "60.1", "61.2"))
