"""`reeltune ask`, and what a checkpoint remembers of how it was trained to be asked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.warm import reeltune

import reeltune as rt
from reeltune.cli import main
from reeltune.config.answering import FILE
from reeltune.report.asked import Asked, asked_page, drawn
from reeltune.tasks import load_task_file
from reeltune.tasks.question import put
from reeltune.video.encode import write_video

SMALL = ("video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "eval.max_new_tokens=8")

BROKEN = """
from reeltune.tasks.instruction import Instruction


class Broken(Instruction):
    name = "broken"
    columns = {"instruction": ("instruction",)}

    def prompt(self, sample, mode):
        return sample.instruction.speak()


TASK = Broken()
"""


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "clip.mp4", frames, 2.0)
    return tmp_path / "clip.mp4"


def test_the_command(tiny_models: Any, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tiny_models("qwen3_vl"))
    page = tmp_path / "page.html"
    assert main(["ask", model, str(video), "When is it <red>?", "-o", str(page), *SMALL]) == 0
    plain = capsys.readouterr().out
    assert plain.splitlines()[-1] == str(page)
    html = page.read_text()
    assert "When is it &lt;red&gt;?" in html and "data:video/mp4;base64," in html and "<red>" not in html
    # As the task puts it, it is another prompt: a model of random weights says something else.
    assert main(["ask", model, str(video), "red", "--task", "temporal_grounding", *SMALL]) == 0
    asked = capsys.readouterr().out
    prompt = 'When does this happen: "red"? Answer in seconds as <answer>start to end</answer>.'
    assert main(["ask", model, str(video), prompt, *SMALL]) == 0
    assert capsys.readouterr().out == asked != plain
    with rt.load(model, *SMALL) as loaded:
        own = loaded.ask(video, "red", task="temporal_grounding", max_new_tokens=8)
        assert own == loaded.ask(video, prompt, max_new_tokens=8) != loaded.ask(video, "red", max_new_tokens=8)
        assert rt.ask(loaded, video, "red", task="temporal_grounding", max_new_tokens=8) == own
        with pytest.raises(rt.InputError, match="needs more than a question"):
            loaded.ask(video, "red", task="object_tracking")


def test_an_image_is_asked_about_too(tiny_models: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "map.png")
    page = tmp_path / "page.html"
    assert main(["ask", str(tiny_models("qwen3_vl")), str(tmp_path / "map.png"), "What?", "-o", str(page), *SMALL]) == 0
    assert "data:image/png;base64," in page.read_text() and "<video" not in page.read_text()
    boxed = Asked(tmp_path / "map.png", "q", "<answer>[0.1, 0.2, 0.5, 0.9]</answer>", 0.0)
    assert "10% to 50% of the width" in drawn(boxed) and "left:10.00%" in asked_page(boxed)
    assert drawn(Asked(tmp_path / "map.png", "q", "<answer>1 to 3</answer>", 0.0)) == ""


def test_bad_input(tiny_models: Any, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tiny_models("qwen3_vl"))
    for words, said in [
        ((model, "nowhere.mp4", "q"), "nowhere.mp4"),
        (("nowhere", str(video), "q"), "nowhere"),
        ((model, str(video), "q", "--task", "temporal_groundin"), "temporal_grounding"),
        ((model, str(video), "q", "--task", "object_tracking"), "needs more than a question"),
    ]:
        assert main(["ask", *words, *SMALL]) == 2
        assert said in capsys.readouterr().err


def test_a_fault_of_a_task_is_not_taken_for_a_missing_field(video: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    load_task_file(str(tmp_path / "broken.py"))
    with pytest.raises(AttributeError, match="no attribute 'speak'"):
        put("broken", video, "q", "direct")


def test_nothing_is_loaded_for_a_video_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reeltune.api.load", load)
    assert main(["ask", "toyworld:base", "x.mp4", "q"]) == 2
    assert "x.mp4: no such file" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_is_drawn() -> None:
    asked = Asked(Path("v.mp4"), "q", "<answer>2.5 to 7.5</answer>", 10.0)
    assert drawn(asked).count("█") == 24 and "2.5 to 7.5" in drawn(asked)
    assert "left:25.00%;width:50.00%" in asked_page(asked)
    # Times past the end are not of this video; prose without a span draws nothing.
    for text in ("<answer>20 to 30</answer>", "A red circle.", ""):
        assert drawn(Asked(Path("v.mp4"), "q", text, 10.0)) == ""
    boxed = Asked(Path("v.mp4"), "q", "<answer>[0.1, 0.2, 0.5, 0.9]</answer>", 10.0)
    assert "10% to 50% of the width, 20% to 90% of the height" in drawn(boxed)
    assert "left:10.00%;top:20.00%;width:40.00%;height:70.00%" in asked_page(boxed)


def test_a_checkpoint_is_asked_as_it_was_trained(workshop: Any, tmp_path: Path) -> None:
    workshop.train(
        "run", "rl.steps=2", "data.mode=think", "data.system=Be brief.", "eval.max_new_tokens=5", "eval.every=0"
    )
    model = workshop.folder / "run" / "checkpoints" / "step-000002" / "model"
    kept = json.loads((model / FILE).read_text())
    assert kept["data"] == {"mode": "think", "system": "Be brief."} and kept["eval"] == {"max_new_tokens": 5}
    assert kept["video"]["max_frame_pixels"] == 4096

    def evaluate(name: str, *words: object) -> bytes:
        own = (f"data.tasks=[{workshop.folder / 'vowels.py'}]", f"video.cache={workshop.folder / 'cache'}")
        done = reeltune("eval", model, workshop.samples, "-o", tmp_path / name, *own, *words)
        assert done.returncode == 0, done.stderr
        return (tmp_path / name / "predictions.jsonl").read_bytes()

    said = (*(f"video.{size}_frame_pixels=4096" for size in ("min", "max")), "data.mode=think", "data.system=Be brief.")
    remembered = evaluate("remembered")
    assert evaluate("told", *said, "eval.max_new_tokens=5") == remembered
    assert evaluate("changed", "data.system=null") != remembered
