"""What a checkpoint consists of: its step, its run, and size and SHA-256 of every file. So nothing damaged is loaded.

    {"step": 100, "run": "3f2c...", "files": {"model/model.safetensors": {"bytes": 2, "sha256": "..."}, ...}}

It speaks of whatever files stand in the folder, at any depth: a Hugging Face directory, an adapter, shards.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

FILE = "manifest.json"


def write_manifest(folder: Path, *, step: int, run: str) -> None:
    """The last file of a checkpoint that is being written. `run`: the digest of the run that it is one of."""
    files = {
        name: {"bytes": path.stat().st_size, "sha256": _digest(path)} for name, path in sorted(_files(folder).items())
    }
    manifest = {"step": step, "run": run, "files": files}
    (folder / FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def find_damage(folder: Path, *, step: int, run: str | None) -> str | None:
    """What is wrong with a checkpoint of this step and run, in words; None when nothing is. `run` None: of any run."""
    try:
        manifest = json.loads((folder / FILE).read_text(encoding="utf-8"))
        files, said_step, said_run = dict(manifest["files"]), manifest["step"], manifest["run"]
        wanted = {str(name): (int(each["bytes"]), str(each["sha256"])) for name, each in files.items()}
    except FileNotFoundError:
        return f"it has no {FILE}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its {FILE} cannot be read ({type(error).__name__}: {error})"
    if said_step != step:
        return f"it is the checkpoint of step {said_step!r}, but is named step {step}"
    if run is not None and said_run != run:
        return "it is a checkpoint of another run (its recipe is not config.yaml)"
    there = _files(folder)
    if lost := sorted(wanted.keys() - there.keys()):
        return f"files are missing: {_some(lost)}"
    if more := sorted(there.keys() - wanted.keys()):
        return f"unexpected files: {_some(more)}"
    for name, (size, digest) in wanted.items():
        try:
            found = there[name].stat().st_size
            if found != size:
                return f"{name} has {found} bytes, not {size}"
            if _digest(there[name]) != digest:
                return f"{name} has changed since it was saved"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
    return _state_fault(folder, step)


def _state_fault(folder: Path, step: int) -> str | None:
    """A manifest that was made anew over a state that never was is no help."""
    try:
        state: Any = json.loads((folder / "state.json").read_text(encoding="utf-8"))["step"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its state.json cannot be read ({type(error).__name__}: {error})"
    if isinstance(state, bool) or not isinstance(state, int) or state < 0 or state != step:
        return f"its state.json is of step {state!r}"
    return None


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if not path.is_dir() and path != folder / FILE
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
