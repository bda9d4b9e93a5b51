"""Sources of a recipe: what one run must be able to tell apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.config.recipe import Source, ToyworldConfig
from reeltune.data.sources import BASES, load_sources, resolve_model
from reeltune.errors import InputError


def write(path: Path, question: str) -> Source:
    (path.parent / "clip.mp4").touch()
    sample: dict[str, Any] = {"id": "a", "task": "multiple_choice", "video": "clip.mp4", "question": question}
    path.write_text(json.dumps(sample | {"options": ["red", "blue"], "target": "A"}) + "\n")
    return Source(path=str(path))


def test_one_id_is_one_sample(tmp_path: Path) -> None:
    first, other = write(tmp_path / "one.jsonl", "Which?"), write(tmp_path / "two.jsonl", "What?")
    with pytest.raises(InputError, match=r"'a' is in .*one\.jsonl and, as another sample, in .*two\.jsonl"):
        load_sources([first, other], ToyworldConfig())


def test_a_file_may_be_given_twice(tmp_path: Path) -> None:
    """With other weights at other steps: a curriculum."""
    source = write(tmp_path / "one.jsonl", "Which?")
    assert [len(samples) for samples in load_sources([source, source], ToyworldConfig()).sources] == [1, 1]


def test_toyworlds_samples_of_several_tasks_meet_in_one_run(tmp_path: Path) -> None:
    settings = ToyworldConfig(dir=str(tmp_path), train_videos=3, held_out_videos=2)
    specs = ["train/multiple_choice", "train/multiple_choice/colour", "train/temporal_grounding", "held_out/captioning"]
    found = load_sources([Source(path=f"toyworld:{spec}") for spec in specs], settings)
    assert [len(samples) for samples in found.sources] == [3, 3, 3, 2]


def test_the_base_that_ships_is_the_one_of_the_edition() -> None:
    opened = {edition: resolve_model("toyworld:base", ToyworldConfig(edition=edition)) for edition in (1, 2)}
    assert opened == BASES and all((folder / "model.safetensors").is_file() for folder in opened.values())
    sizes = [json.loads((opened[edition] / "config.json").read_text())["text_config"] for edition in (1, 2)]
    assert [each["num_hidden_layers"] for each in sizes] == [4, 5]


def test_both_bases_are_asked_alike_since_their_name_does_not_tell_the_edition() -> None:
    first, second = (json.loads((BASES[edition] / "reeltune.json").read_text()) for edition in (1, 2))
    assert first == second and first["eval"]["max_new_tokens"] >= 160  # captions and logs of every second
