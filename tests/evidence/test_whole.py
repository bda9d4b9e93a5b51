"""The reproduction at the paper's size: what it needs, its stages and the table, with commands that are only noted."""

import json
from pathlib import Path

import pytest

from reeltune.cli import main
from reeltune.config.recipe import load_recipe
from reeltune.config.shipped import papers
from reeltune.data.formats import formats
from reeltune.errors import InputError
from reeltune.evidence.small import common, filled
from reeltune.evidence.spec import Column, Reproduction, Small, Stage, Whole, load
from reeltune.evidence.whole import beside_published, run_whole

SMALL = Small(recipe="toy/grpo", runs={}, measures={}, claims=[])


def reproduction(folder: Path) -> Reproduction:
    return Reproduction(
        paper="A paper",
        claims="More is more.",
        published={"base": {"mIoU": 10.0, "accuracy": None}, "theirs": {"mIoU": 20.04}},
        whole=Whole(
            hardware="a laptop",
            needs={str(folder / "raw.json"): "annotations"},
            stages=[Stage(makes=str(folder / "a"), run=["one"]), Stage(makes=str(folder / "b"), run=["two", "words"])],
            columns=[Column(name="mIoU", file=str(folder / "b"), key="temporal_grounding.miou")],
        ),
        small=SMALL,
    )


def test_what_is_missing_is_named_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"raw\.json: annotations\nIt ran on a laptop\. --small"):
        run_whole(reproduction(tmp_path), call=lambda words: pytest.fail("a stage ran"))


def test_stages_run_once_in_order_and_the_table_has_our_row(tmp_path: Path) -> None:
    (tmp_path / "raw.json").write_text("[]")
    ran: list[list[str]] = []

    def call(words: list[str]) -> int:
        ran.append(words)
        target = tmp_path / ("a" if words == ["one"] else "b")
        target.write_text(json.dumps({"temporal_grounding": {"miou": 33.33}}))
        return 0

    found = reproduction(tmp_path)
    assert beside_published(found).splitlines()[-1] == "| ours | - | - |"
    run_whole(found, call=call)
    run_whole(found, call=call)
    assert ran == [["one"], ["two", "words"]]
    assert beside_published(found).splitlines() == [
        "|  | mIoU | accuracy |", "|---|---|---|", "| base | 10.0 | - |", "| theirs | 20.0 | - |",
        "| ours | 33.3 | - |",
    ]  # fmt: skip


def test_a_stage_that_fails_or_makes_nothing_stops(tmp_path: Path) -> None:
    (tmp_path / "raw.json").write_text("[]")
    with pytest.raises(InputError, match="this stage failed: reeltune one"):
        run_whole(reproduction(tmp_path), call=lambda words: 2)
    with pytest.raises(InputError, match="this stage made no"):
        run_whole(reproduction(tmp_path), call=lambda words: 0)


@pytest.mark.parametrize("name", papers())
def test_every_paper_names_recipes_formats_and_measures_that_exist(name: str, tmp_path: Path) -> None:
    found = load(name)
    models = {run: tmp_path for run in found.small.runs}
    for run in found.small.runs.values():
        load_recipe(Path(run.recipe), filled(run.settings, models, 0))
    base = load_recipe(Path(found.small.recipe), common(found.small, tmp_path, 0))
    assert base.model.path == "toyworld:base", "the base is measured too, and no other model is there before training"
    for stage in found.whole.stages:
        if stage.run[:2] == ["data", "import"]:
            assert stage.run[2] in formats()
        if stage.run[0] == "train":
            recipe = load_recipe(Path(stage.run[1]))
            assert stage.makes.startswith(recipe.run.dir)
            needed = [Path(source.path) for source in recipe.data.train]
            made = {Path(stage.makes) for stage in found.whole.stages} | {Path(path) for path in found.whole.needs}
            assert set(needed) <= made
    makes = {stage.makes for stage in found.whole.stages}
    assert {column.file for column in found.whole.columns} <= makes
    assert {column.name for column in found.whole.columns} <= {key for row in found.published.values() for key in row}


def test_the_command_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "videochat-r1"]) == 2
    told = capsys.readouterr()
    assert "| VideoChat-R1 | 60.8 |" in told.out and "models/Qwen2.5-VL-7B-Instruct: the model" in told.err
    assert main(["reproduce", "videochat-r2"]) == 2
    assert "did you mean 'videochat-r1'?" in capsys.readouterr().err


def test_a_claim_names_runs_and_measures_that_exist() -> None:
    claim = {"says": "x", "better": "grpo", "than": "base", "measures": ["iou"], "points": 1}
    tree = {"recipe": "toy/grpo", "runs": {"grpo": {"recipe": "toy/grpo"}}, "measures": {}, "claims": [claim]}
    with pytest.raises(ValueError, match="names 'iou'"):
        Small.model_validate(tree)
    with pytest.raises(InputError, match=r"only a run that stands before this one has a model; got base"):
        filled(["model.path={grpo}"], {"base": None}, 0)
    assert filled(["a={base}", "b=1{seed}", "c={x: 1}"], {"base": Path("m")}, 3) == ["a=m", "b=13", "c={x: 1}"]
