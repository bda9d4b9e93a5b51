import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.report.run import trivial_baselines, write_run_report
from reeltune.report.run_files import read_run, read_run_samples
from reeltune.tasks import TASKS

Make = Callable[..., Path]
Check = Callable[[str], Any]
Report = Callable[[Path], Any]


@pytest.fixture
def report(check_page: Check) -> Callable[[Path], Any]:
    def write(run: Path) -> Any:
        path = write_run_report(run)
        assert path == run / "report.html"
        return check_page(path.read_text(encoding="utf-8"))

    return write


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_numbers_are_those_of_the_files(make_run: Make, report: Report) -> None:
    run = make_run(steps=20, every=10)
    page = report(run)
    evaluations = [line for line in lines(run) if "eval/temporal_grounding/miou" in line]
    steps = [line for line in lines(run) if "reward" in line]
    for name in ("miou", "r@0.3", "r@0.5", "r@0.7", "unparsed"):
        first, last = (line[f"eval/temporal_grounding/{name}"] for line in (evaluations[0], evaluations[-1]))
        shown = {"miou": "mIoU"}.get(name, name.replace("r@", "R@"))
        assert f"{shown} {first:.1f} {last:.1f} {last - first:+.1f}".replace("-", "−") in page.text
    labels = " ".join(svg.get("aria-label", "") for svg in page.named("svg"))
    for key, name in (
        ("reward", "all tasks"),
        ("grad_norm", "Gradient norm"),
        ("completion_tokens", "Completion length"),
    ):
        assert f"{name} from {steps[0][key]:.4g} at 1 to {steps[-1][key]:.4g} at 20" in labels
    assert "20 of 20 steps" in page.text and "not finished" not in page.text


def test_baselines_stand_beside_the_metrics(make_run: Make, report: Report) -> None:
    run = make_run(steps=20, every=10)
    samples = read_run_samples(read_run(run))
    train = list(samples.train.values())
    wanted = TASKS["temporal_grounding"].baselines(samples.held_out, train)
    assert trivial_baselines(samples)[0] == {"temporal_grounding": wanted}
    text = report(run).text
    assert "whole video" in text and f"{wanted['best_fixed_span']['miou']:.1f}" in text
    assert "fitted ones use the training samples" in text


def test_groups_show_rewards_advantages_and_completions(make_run: Make, report: Report) -> None:
    run = make_run(steps=3, every=1)
    page = report(run)
    for step in (1, 3):
        for row in read_run(run).groups(step):
            assert row["id"] in page.text
            for completion in row["texts"]:
                assert completion in page.text
    assert len(page.named("video")) == 6
    assert "Step 2" not in page.text


@pytest.mark.parametrize("missing", ["rollouts", "timings.jsonl", "environment.json", "config.yaml", "metrics.jsonl"])
def test_a_page_without_some_file(make_run: Make, missing: str, report: Report) -> None:
    """What the file told is gone from the page, and the rest stands."""
    run = make_run(steps=4, every=2)
    whole = report(run).text
    path = run / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = report(run)
    only = {
        "rollouts": "Step 4",
        "timings.jsonl": "Time of steps",
        "environment.json": "Torch",
        "config.yaml": "The complete recipe",
        "metrics.jsonl": "Gradient norm",
    }
    for file, words in only.items():
        assert words in whole and (words in page.text) == (file != missing), (file, words)
    if missing == "metrics.jsonl":
        assert "No training step has been recorded yet" in page.text and "0 of 4 steps" in page.text
    if missing == "config.yaml":
        assert "config.yaml is missing" in page.text


def test_a_run_without_evaluation(make_run: Make, report: Report) -> None:
    run = make_run(steps=4)
    write_lines(run / "metrics.jsonl", [line for line in lines(run) if "reward" in line])
    page = report(run)
    assert "No evaluation was recorded" in page.text and "Reward from" in page.text


def test_a_run_of_one_step(make_run: Make, report: Report) -> None:
    assert "1 of 1 steps" in report(make_run(steps=1, every=1)).text


def test_a_run_of_sft(make_run: Make, report: Report) -> None:
    page = report(make_run(method="sft", steps=6, every=3))
    assert "Sampled completions" not in page.text and "SFT" in page.text


def test_a_stopped_run_says_so_and_a_cut_line_is_not_read(make_run: Make, report: Report) -> None:
    run = make_run(steps=6, every=3)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["rl"]["steps"] = 50
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "rew')
    page = report(run)
    assert "is at 6 of 50 steps" in page.text and "--resume" in page.text


def test_quarantine_is_counted_and_named(make_run: Make, report: Report) -> None:
    run = make_run(steps=2, every=1)
    rows = [{"id": f"s{index}", "video": "v.mp4", "reason": "<b>broken</b>"} for index in range(13)]
    write_lines(run / "quarantine.jsonl", rows)
    page = report(run)
    assert (
        "13 samples have an unusable video" in page.text and "And 3 more" in page.text and "<b>broken</b>" in page.text
    )


def test_hostile_completions_are_escaped(make_run: Make, report: Report) -> None:
    run = make_run(steps=1, every=1)
    bad = (
        "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\x85\x00<answer>1 to 1e308</answer>"
    )
    path = run / "rollouts" / "step-000001.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= {"texts": [bad] * 4, "components": {"<i>": [1.0, None, 0.0, 1.0]}}
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    page = report(run)
    assert page.named("img") == [] and "<script>alert(1)</script>" in page.text


def test_samples_that_are_gone_are_said(make_run: Make, tmp_path: Path, report: Report) -> None:
    run = make_run(steps=2, every=1)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["train"] = [{"path": "toyworld:train/temporal_grounding"}]
    config["toyworld"] = {"dir": str(tmp_path / "nowhere")}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    page = report(run)
    assert "cannot be shown" in page.text and "cannot be read" in page.text
    assert not (tmp_path / "nowhere").exists()
    assert "the evaluation samples themselves" in page.text


def test_the_command_writes_the_page_of_a_run_that_still_trains(
    make_run: Make, check_page: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(steps=4, every=2)
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    before = check_page((run / "report.html").read_text(encoding="utf-8")).text
    write_lines(run / "metrics.jsonl", lines(run)[:3])
    assert main(["report", str(run)]) == 0
    assert check_page((run / "report.html").read_text(encoding="utf-8")).text != before
    assert main(["report", str(run.parent)]) == 2
    assert "not a run directory" in capsys.readouterr().err


def test_toyworld_is_never_generated_for_a_page(make_run: Make, tmp_path: Path, report: Report) -> None:
    run = make_run(steps=4, every=2)
    toyworld = tmp_path / "toyworld"
    toyworld.mkdir()
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["train"] = "toyworld:train/multiple_choice"
    config["toyworld"] = {"dir": str(toyworld), "train_videos": 2}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert "run this from the folder where the run was started" in report(run).text
    assert not list(toyworld.iterdir())


def test_what_is_no_run_is_refused(tmp_path: Path, make_run: Make) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        write_run_report(tmp_path)
    run = make_run(steps=1, every=1)
    (run / "metrics.jsonl").write_text('{"step": 1}\nnot json\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2: not JSON"):
        write_run_report(run)
