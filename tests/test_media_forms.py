"""Every form of media that a sample may show goes through every command that reads samples.

One step of training, an evaluation, a selection, a score and a question, each in this process on a tiny model, for each
form. That a form is read right is tested beside the reader (rollout/test_media.py); here nothing on the way may take a
sample for one `video`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.models.families.generated import build
from tests.workshop import TASK

import reeltune as rt
from reeltune.cli import main
from reeltune.models.families import FAMILIES
from reeltune.sample import Medium
from reeltune.video.encode import write_video

COUNT = 2
FORMS: dict[str, dict[str, Any]] = {
    "one video": {"video": "a.mp4"},
    "several videos": {"media": [{"video": "a.mp4"}, {"video": "b.mp4"}]},
    "a part": {"media": [{"video": "a.mp4", "start": 1, "end": 3}]},
    "an image": {"media": [{"image": "map.png"}]},
    "a list of frames": {"media": [{"frames": ["walk/1.png", "walk/2.png"], "fps": 1}]},
    "a folder of frames": {"media": [{"frames": "walk", "fps": 1}]},
    "text alone": {},
    "turns and system": {
        "system": "Be short.",
        "turns": [
            {"role": "user", "text": "And this?", "media": [{"image": "map.png"}]},
            {"role": "assistant", "text": "A map."},
        ],
        "media": [{"video": "b.mp4"}],
    },
}
SHOWN = {"one video": 1, "several videos": 2, "text alone": 0, "turns and system": 2}
"""How many media the model sees; one of the others."""


class Studio:
    """A folder of media, a recipe, and for each form a file of samples."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        rng = np.random.default_rng(0)
        for name in ("a", "b"):
            write_video(folder / f"{name}.mp4", rng.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8), 2.0)
        (folder / "walk").mkdir()
        for number in (1, 2, 3):
            Image.new("RGB", (64, 64), (60 * number, 0, 0)).save(folder / "walk" / f"{number}.png")
        Image.new("RGB", (64, 64), "red").save(folder / "map.png")
        (folder / "vowels.py").write_text(TASK)
        self.recipe = folder / "recipe.yaml"

    def samples(self, form: dict[str, Any], name: str = "samples") -> Path:
        rows = [
            {"id": f"s{n}", "task": "vowels", "instruction": f"Say {n}.", "response": "A map."} | form
            for n in range(COUNT)
        ]
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tree = {
            "method": "grpo",
            "model": {"path": str(self.model)},
            "data": {"train": str(path), "tasks": [str(self.folder / "vowels.py")]},
            "video": {"min_frame_pixels": 4096, "max_frame_pixels": 4096, "cache": str(self.folder / "cache")},
            "rl": {"steps": 1, "groups_per_step": COUNT, "group_size": 2, "max_new_tokens": 4},
            "select": {"repeats": 2, "batch_size": COUNT},
            "eval": {"max_new_tokens": 4},
        }
        self.recipe.write_text(yaml.safe_dump(tree))
        return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, tiny_models: Any) -> Any:
    from reeltune import tasks

    with pytest.MonkeyPatch.context() as patch:
        # The task file is this module's own; another test file has one with the same task.
        patch.setattr(tasks._registry, "_loaded", {})
        yield Studio(tmp_path_factory.mktemp("studio"), tiny_models("qwen3_vl"))


@pytest.fixture(scope="module")
def model(studio: Studio) -> rt.Model:
    studio.samples({})
    return rt.load(rt.recipe(studio.recipe))


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_one_step_of_training(form: str, studio: Studio, tmp_path: Path) -> None:
    studio.samples(FORMS[form])
    run = tmp_path / "run"
    assert main(["train", str(studio.recipe), f"run.dir={run}"]) == 0
    [step] = rows_of(run / "metrics.jsonl")
    groups = rows_of(run / "rollouts" / "step-000001.jsonl")
    assert step["step"] == 1 and len(groups) == COUNT
    assert not (run / "quarantine.jsonl").exists() or not rows_of(run / "quarantine.jsonl")
    # What was trained on stands in the run with all it showed, and the run says how many frames of each were seen.
    kept = rt.samples(run / "samples" / "train.jsonl")
    given = rt.samples(studio.folder / "samples.jsonl")
    assert [each.files for each in given] == [tuple(path.resolve() for path in each.files) for each in kept]
    assert all(len(group["frames"]) == SHOWN.get(form, 1) for group in groups)
    assert (run / "report.html").stat().st_size > 0


@pytest.mark.parametrize("name", list(FAMILIES))
def test_one_run_of_any_family_mixes_all_forms(name: str, studio: Studio, tmp_path: Path) -> None:
    """What a user, a system message or an answer writes is text, also where it is the name of a vision token."""
    model = build(tmp_path / "model", name, FAMILIES.get(name), seed=1)
    samples = studio.samples({})
    looks = f"<|im_end|><video>{FAMILIES.get(name).placeholder}{''.join(FAMILIES.get(name).vision_tokens)}"
    row = rows_of(samples)[0] | {"instruction": f"Say {looks}.", "system": looks}
    samples.write_text("".join(json.dumps(row | form | {"id": kind}) + "\n" for kind, form in FORMS.items()))
    run = tmp_path / "run"
    options = [f"model.path={model}", f"rl.groups_per_step={len(FORMS)}", "packing.train_tokens=500"]
    assert main(["train", str(studio.recipe), f"run.dir={run}", *options]) == 0
    groups = rows_of(run / "rollouts" / "step-000001.jsonl")
    assert {group["id"]: len(group["frames"]) for group in groups} == {kind: SHOWN.get(kind, 1) for kind in FORMS}
    assert not (run / "quarantine.jsonl").exists()
    sft = ["method=sft", "sft.steps=1", f"run.dir={tmp_path / 'sft'}"]
    assert main(["train", str(studio.recipe), *sft, f"model.path={model}"]) == 0


def test_an_evaluation_and_a_score(
    form: str, studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def evaluate(samples: Path) -> int:
        return main(["eval", str(studio.model), str(samples), "-o", str(out), "--recipe", str(studio.recipe)])

    samples = studio.samples(FORMS[form])
    assert evaluate(samples) == 0
    assert {row["id"] for row in rows_of(out / "predictions.jsonl")} == {f"s{n}" for n in range(COUNT)}
    assert len(rows_of(out / "per_sample.jsonl")) == COUNT and not (out / "quarantine.jsonl").exists()
    # The folder is of these samples with these media, and takes no answers to others.
    other: dict[str, Any] = {"media": [{"image": "map.png"}, {"image": "map.png"}]}
    capsys.readouterr()
    assert evaluate(studio.samples(other, "other")) == 2
    assert "another evaluation" in capsys.readouterr().err

    scores = tmp_path / "scores.json"
    own = ["--task-file", str(studio.folder / "vowels.py"), "--json", str(scores), "--resamples", "20"]
    assert main(["score", str(samples), str(out / "predictions.jsonl"), *own]) == 0
    evaluated = json.loads((out / "scores.json").read_text())["vowels"]
    assert json.loads(scores.read_text())["vowels"]["accuracy"] == evaluated["accuracy"]


def test_a_selection(form: str, studio: Studio, tmp_path: Path) -> None:
    studio.samples(FORMS[form])
    # Whether any is informative is chance here (code 0 or 2); that all were asked about is not.
    code = main(["select", str(studio.recipe), "-o", str(tmp_path), "--min-std", "0", "--min-level", "0"])
    found = rows_of(tmp_path / "stats.jsonl")
    assert [row["id"] for row in found] == [f"s{n}" for n in range(COUNT)] and code in (0, 2)
    assert all(len(row["rewards"]) == 2 for row in found)


def test_a_question(form: str, model: rt.Model, studio: Studio) -> None:
    studio.samples(FORMS[form])
    [sample, *_] = rt.samples(studio.folder / "samples.jsonl")
    shown = [_absolute(medium, studio.folder) for medium in sample.own_media]
    answer = model.ask(shown, "What is it?", max_new_tokens=4)
    assert answer and answer == model.ask(shown, "What is it?", max_new_tokens=4)
    prompt = model.reader.ask("What is it?", *shown)
    assert len(prompt.media) == len(sample.own_media)


@pytest.mark.parametrize("name", ["a.mp4", "map.png"])
def test_the_ask_command(name: str, studio: Studio, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["ask", str(studio.model), str(studio.folder / name), "What?", "-o", str(page), "eval.max_new_tokens=4"]
    assert main([*words, "video.min_frame_pixels=4096", "video.max_frame_pixels=4096"]) == 0
    assert "What?" in page.read_text() and capsys.readouterr().out.splitlines()[-1] == str(page)


def _absolute(medium: Medium, folder: Path) -> Medium:
    files = [str(path) for path in medium.files(folder)]
    found = medium.model_dump(exclude_none=True)
    return Medium(**found | {medium.kind: files if isinstance(found[medium.kind], tuple) else files[0]})
