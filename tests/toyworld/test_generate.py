import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.toyworld import generate as module
from reeltune.toyworld.generate import Asked, Split, generate, kinds_of, plan_samples
from reeltune.toyworld.world import Scene, draw_scene, render


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def plan(videos: int, split: Split, *, seed: int, tasks: Any, objects: int | None = None) -> Iterator[Asked]:
    def draw(rng: np.random.Generator) -> Scene:
        return draw_scene(rng, objects or int(rng.integers(1, 4)))

    return plan_samples(videos, split, seed=seed, tasks=tasks, samples_per_video=1, draw=draw)


def test_videos_are_real_files_that_show_the_scenes(tmp_path: Path) -> None:
    path = generate(tmp_path, videos=4, seed=2)
    assert path == tmp_path / "train.jsonl"
    scenes = [asked.scene for asked in plan(4, "train", seed=2, tasks=("temporal_grounding", "multiple_choice"))]
    for row, scene in zip(rows(path), scenes, strict=True):
        with av.open(str(tmp_path / str(row["video"]))) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            assert container.streams.video[0].average_rate == scene.fps
        wanted = render(scene)
        assert len(frames) == len(wanted)
        assert np.abs(np.stack(frames).astype(int) - wanted).mean() < (20 if scene.quality == "noisy" else 4)


def test_a_second_run_writes_no_video_and_equal_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = generate(tmp_path, videos=3, samples_per_video=2).read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("a clip was written again")

    monkeypatch.setattr(module, "write_video", refuse)
    assert generate(tmp_path, videos=3, samples_per_video=2).read_bytes() == before


def test_an_interrupted_run_leaves_no_samples_and_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = module.write_video, []

    def stop_at_third(path: Path, *rest: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_video", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, videos=4)
    assert not (tmp_path / "train.jsonl").exists()
    monkeypatch.setattr(module, "write_video", real)
    assert len(rows(generate(tmp_path, videos=4))) == 4
    assert len(list((tmp_path / "videos").iterdir())) == 4


def test_no_script_stands_in_both_splits() -> None:
    tasks = {"temporal_grounding/visible": 1.0}
    scripts = {
        split: {
            asked.scene.script() for seed in (0, 1) for asked in plan(300, split, seed=seed, tasks=tasks, objects=1)
        }
        for split in ("train", "held_out")
    }
    assert scripts["train"] and scripts["held_out"]
    assert not scripts["train"] & scripts["held_out"]


def test_ids_are_unique_over_splits_and_seeds(tmp_path: Path) -> None:
    ids = [
        row["id"]
        for split in ("train", "held_out")
        for seed in (0, 1)
        for row in rows(generate(tmp_path / f"{seed}", videos=3, samples_per_video=2, split=split, seed=seed))
    ]
    assert len(set(ids)) == len(ids) == 24


def test_shares_are_kept_and_a_task_shares_its_weight() -> None:
    kinds, shares = kinds_of({"multiple_choice": 4.0, "instruction/presence": 4.0})
    assert dict(zip(kinds, shares, strict=True)) == {
        "multiple_choice/shape": 0.125,
        "multiple_choice/colour": 0.125,
        "multiple_choice/time": 0.125,
        "multiple_choice/action": 0.125,
        "instruction/presence": 0.5,
    }


@pytest.mark.parametrize("tasks", [["counting"], [], {"multiple_choice": 0.0}, {"multiple_choice": float("nan")}])
def test_unknown_tasks_and_bad_shares_are_refused(tasks: object) -> None:
    with pytest.raises(InputError):
        kinds_of(tasks)  # type: ignore[arg-type]
