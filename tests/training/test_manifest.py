"""Every way in which a checkpoint can be damaged is named, and the newest whole one is used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reeltune.errors import InputError
from reeltune.training.checkpoint import list_checkpoints, newest_whole, set_aside_newer
from reeltune.training.manifest import FILE, find_damage, write_manifest

RUN = "a run"


def make(root: Path, step: int, run: str = RUN) -> Path:
    folder = root / f"step-{step:06d}"
    (folder / "model" / "shards").mkdir(parents=True)
    for name in ("model/model.safetensors", "model/shards/rank-0.distcp", "optimizer.safetensors"):
        (folder / name).write_bytes(bytes(range(256)) * 9 + bytes([step]))
    (folder / "state.json").write_text(json.dumps({"step": step}))
    write_manifest(folder, step=step, run=run)
    return folder


def test_a_whole_one_is_found_whole(tmp_path: Path) -> None:
    assert find_damage(make(tmp_path, 4), step=4, run=RUN) is None
    assert find_damage(make(tmp_path, 0), step=0, run=None) is None


def flip(folder: Path, name: str, at: int = 1000) -> None:
    data = bytearray((folder / name).read_bytes())
    data[at] ^= 1
    (folder / name).write_bytes(data)


def rewrite(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def forged(folder: Path, step: object) -> None:
    """A state that never was, under a manifest made anew."""
    (folder / "state.json").write_text(json.dumps({"step": step}))
    write_manifest(folder, step=4, run=RUN)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (lambda f: flip(f, "optimizer.safetensors"), "optimizer.safetensors has changed"),
    "flipped shard": (lambda f: flip(f, "model/shards/rank-0.distcp", 0), "rank-0.distcp has changed"),
    "cut": (lambda f: (f / "model/model.safetensors").write_bytes(b"x"), "has 1 bytes, not 2305"),
    "empty": (lambda f: (f / "optimizer.safetensors").write_bytes(b""), "has 0 bytes"),
    "missing": (lambda f: (f / "optimizer.safetensors").unlink(), "files are missing: optimizer.safetensors"),
    "missing folder": (lambda f: shutil.rmtree(f / "model"), "files are missing: model/model.safetensors, model/sh"),
    "more": (lambda f: (f / "model/other.safetensors").write_bytes(b"x"), "unexpected files: model/other"),
    "dangling": (lambda f: (f / "model/link").symlink_to("nowhere"), "unexpected files: model/link"),
    "no manifest": (lambda f: (f / FILE).unlink(), "no manifest.json"),
    "manifest cut": (lambda f: (f / FILE).write_text('{"step": 4, '), "manifest.json cannot be read"),
    "manifest is a list": (lambda f: (f / FILE).write_text("[]"), "manifest.json cannot be read"),
    "manifest is bytes": (lambda f: (f / FILE).write_bytes(b"\xff\xfe"), "manifest.json cannot be read"),
    "another step": (lambda f: rewrite(f, FILE, '"step": 4', '"step": 2'), "step 2, but is named step 4"),
    "negative step": (lambda f: rewrite(f, FILE, '"step": 4', '"step": -4'), "step -4, but is named step 4"),
    "another run": (lambda f: rewrite(f, FILE, RUN, "another"), "of another run"),
    "state changed": (lambda f: rewrite(f, "state.json", "4", "9"), "state.json has changed"),
    "forged": (lambda f: forged(f, 9), "is of step 9"),
    "forged, negative": (lambda f: forged(f, -1), "is of step -1"),
    "forged, text": (lambda f: forged(f, "4"), "is of step '4'"),
    "forged, true": (lambda f: forged(f, True), "is of step True"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_the_one_before_is_used(tmp_path: Path, name: str) -> None:
    older, newer = make(tmp_path, 2), make(tmp_path, 4)
    damage, words = DAMAGES[name]
    damage(newer)
    found, damages = newest_whole(tmp_path, run=RUN)
    assert found == older
    [told] = damages
    assert str(newer) in told and words in told
    shutil.rmtree(older)
    with pytest.raises(InputError, match="no usable checkpoint") as caught:
        newest_whole(tmp_path, run=RUN)
    assert words in str(caught.value)


def test_a_copied_checkpoint_is_not_one_of_this_run(tmp_path: Path) -> None:
    shutil.copytree(make(tmp_path / "a", 4, run="another"), tmp_path / "b" / "step-000004")
    with pytest.raises(InputError, match="of another run"):
        newest_whole(tmp_path / "b", run=RUN)
    assert newest_whole(tmp_path / "b", run=None)[0] == tmp_path / "b" / "step-000004"


def test_none_at_all(tmp_path: Path) -> None:
    assert newest_whole(tmp_path / "none", run=RUN) == (None, [])


def test_a_damaged_one_never_outlives_the_whole_ones(tmp_path: Path) -> None:
    """It would count among the newest that are kept, and be in the way of the step that is saved again."""
    for step in (2, 4, 6):
        make(tmp_path, step)
    (tmp_path / "damaged-step-000006").mkdir()
    set_aside_newer(tmp_path, 2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000002"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "damaged-step-000004", "damaged-step-000006", "step-000002",
    ]  # fmt: skip
    assert (tmp_path / "damaged-step-000006" / FILE).exists()
