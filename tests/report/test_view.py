import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reeltune.commands import view as view_command
from reeltune.errors import InputError
from reeltune.report import view
from reeltune.report.run_files import read_run

Check = Callable[[str], Any]

Make = Callable[..., Path]


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    view_command.add_arguments(parser)
    return view_command.run(parser.parse_args(words))


def test_the_command_writes_the_page_and_prints_its_path(
    make_run: Make, capsys: pytest.CaptureFixture[str], check_page: Check
) -> None:
    run = make_run(steps=3, every=3)
    assert command(str(run)) == 0
    assert capsys.readouterr().out.strip() == str(run / "rollouts.html")
    page = check_page((run / "rollouts.html").read_text(encoding="utf-8"))
    links = {link["href"].removeprefix("#") for link in page.named("a")}
    anchors = {section["id"] for section in page.named("section")}
    assert links == anchors == {f"step-{step}-group-{group}" for step in (1, 2, 3) for group in (1, 2, 3)}
    for step in (1, 2, 3):
        for group in read_run(run).groups(step):
            for text, reward, advantage in zip(group["texts"], group["reward"], group["advantage"], strict=True):
                assert text in page.text and f"{reward:.3g}" in page.text and f"{advantage:+.2f}" in page.text
    assert "9 groups of all steps" in page.text


def test_the_limit_bounds_groups_and_videos(make_run: Make, check_page: Check) -> None:
    run = make_run(steps=10, every=5)
    page = check_page(view.write_rollout_viewer(run, limit=7).read_text(encoding="utf-8"))
    assert len(page.named("video")) == len(page.named("section")) == 6
    ids = [section["id"] for section in page.named("section")]
    assert ids[0] == "step-1-group-1" and ids[-1] == "step-10-group-3"
    page = check_page(view.write_rollout_viewer(run, limit=1).read_text(encoding="utf-8"))
    assert len(page.named("section")) == 1


def test_a_step_of_ones_choice(make_run: Make, check_page: Check) -> None:
    run = make_run(steps=5, every=5)
    page = check_page(view.write_rollout_viewer(run, steps=[4]).read_text(encoding="utf-8"))
    assert {section["id"].split("-group")[0] for section in page.named("section")} == {"step-4"}
    with pytest.raises(InputError, match=r"--step 6: the run has steps 1 to 5"):
        command(str(run), "--step", "6")


def test_nothing_to_look_at_is_said(make_run: Make, check_page: Check) -> None:
    run = make_run(method="sft", steps=2, every=1)
    page = check_page(view.write_rollout_viewer(run).read_text(encoding="utf-8"))
    assert "There are no rollouts" in page.text and "SFT does not sample" in page.text
    with pytest.raises(InputError, match="no rollouts"):
        view.write_rollout_viewer(run, steps=[1])


def test_a_limit_below_one_is_refused(make_run: Make) -> None:
    with pytest.raises(InputError, match="--limit must be at least 1"):
        command(str(make_run(steps=1, every=1)), "--limit", "0")


def test_groups_without_signal_and_cut_off_completions_are_marked(make_run: Make, check_page: Check) -> None:
    run = make_run(steps=1, every=1)
    path = run / "rollouts" / "step-000001.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= {"advantage": [0.0] * 4, "reward": [0.0] * 4, "truncated": [True] * 4, "texts": ["noise"] * 4}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = check_page(view.write_rollout_viewer(run).read_text(encoding="utf-8")).text
    assert "zero variance: all rewards are equal" in text and "truncated at the length limit" in text
    assert "no readable answer: no start and end" in text


def test_hostile_completions_are_escaped(make_run: Make, check_page: Check) -> None:
    run = make_run(steps=1, every=1)
    path = run / "rollouts" / "step-000001.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    bad = "</section></main><script>alert(1)</script><img src=x onerror=alert(2)>"
    for row in rows:
        row |= {"texts": [bad] * 4, "id": f'{row["id"]}"><script>'}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = check_page(view.write_rollout_viewer(run).read_text(encoding="utf-8"))
    assert page.named("img") == [] and "<script>alert(1)</script>" in page.text
    assert "The sample of this group cannot be read" in page.text
