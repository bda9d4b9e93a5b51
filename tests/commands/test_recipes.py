"""`reeltune recipes` and `reeltune config`."""

from pathlib import Path

import pytest
import yaml

from reeltune.cli import main
from reeltune.config.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[2]


def test_every_recipe_is_listed_with_its_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    files = [
        path
        for path in (ROOT / "recipes").rglob("*.yaml")
        if {"method", "extends"} & set(yaml.safe_load(path.read_text()))
    ]
    assert set(lines) == {str(path.relative_to(ROOT / "recipes").with_suffix("")) for path in files}
    assert all(len(purpose) > 10 and purpose.endswith((".", "?")) for purpose in lines.values())
    # No sentence that goes on in the second line of the comment is cut, and nothing but its first sentence is told.
    assert lines["temporal-rlt/dual-reward-7b"] == "Temporal-RLT (arXiv 2506.01908): the dual reward."
    assert lines["toy/base-2-loose"].endswith("what it knows is more exact than what it says.")


def test_show_and_copy_give_the_file_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "recipes" / "toy" / "grpo.yaml").read_text()
    assert main(["recipes", "show", "toy/grpo"]) == 0 and capsys.readouterr().out == text
    monkeypatch.chdir(tmp_path)
    assert main(["recipes", "copy", "toy/grpo.yaml"]) == 0 and (tmp_path / "grpo.yaml").read_text() == text
    assert main(["recipes", "copy", "toy/grpo"]) == 2 and "exists; give another name" in capsys.readouterr().err
    assert main(["recipes", "copy", "toy/sft", "mine/other.yaml"]) == 0
    assert isinstance(load_recipe(tmp_path / "mine" / "other.yaml"), Recipe)


def test_an_unknown_recipe_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "show", "toy/grp"]) == 2 and "did you mean 'toy/grpo'?" in capsys.readouterr().err


def test_config_prints_a_recipe_that_reads_back_as_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ROOT / "recipes" / "toy" / "grpo.yaml"
    assert main(["config", str(recipe), "rl.steps=7", "model.mixture_of_depths={}"]) == 0
    (tmp_path / "resolved.yaml").write_text(capsys.readouterr().out)
    resolved = load_recipe(tmp_path / "resolved.yaml")
    assert resolved == load_recipe(recipe, ["rl.steps=7", "model.mixture_of_depths={}"]) and resolved.rl.steps == 7
    text = (tmp_path / "resolved.yaml").read_text()
    assert "\n  steps: 7\n" in text and "\nseed: 0  # default\n" in text and "\nselect:  # default\n" in text
    assert main(["config", str(recipe), 'data.system="a: b\\n# c"', "--given"]) == 0
    given = yaml.safe_load(capsys.readouterr().out)
    assert given["data"]["system"] == "a: b\n# c" and "select" not in given and "seed" not in given
    assert main(["config", str(recipe), "rl.step=7"]) == 2
    assert "nearest valid key: rl.steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("rl.loss=nope", "rl.loss: 'nope' is not a known loss"),
        ("rollout.engine=nope", "rollout.engine: 'nope' is not a known rollout engine"),
        ("model.family=nope", "model.family: 'nope' is not a known model family"),
        ("judge.kind=nope", "judge.kind: 'nope' is not a known judge"),
        ("data.tasks=[nope.py]", "nope.py: no such file"),
        ("rewards.weights={temporal_groundin: {iou: 1}}", "did you mean 'temporal_grounding'?"),
        ("rewards.weights={temporal_grounding: {io: 1}}", "has no reward 'io'; did you mean 'iou'?"),
        ("rewards.functions={temporal_grounding: {mine: nope.py:f}}", "nope.py: no such file"),
    ],
)
def test_config_refuses_the_names_that_a_run_refuses(
    override: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(ROOT / "recipes" / "toy" / "grpo.yaml")
    assert main(["config", recipe, override]) == 2
    refused = capsys.readouterr().err
    assert told in refused
    assert main(["train", recipe, "--dry-run", override, f"run.dir={tmp_path / 'run'}"]) == 2
    assert capsys.readouterr().err == refused


def test_config_takes_every_shipped_recipe() -> None:
    from reeltune.config.shipped import is_recipe, shipped

    for name, path in shipped().items():
        if is_recipe(path):
            assert main(["config", name]) == 0, name
