"""What answers depend on - the model's files, the samples, what was asked - as short digests and as words."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.media import with_paths
from reeltune.sample import Sample

IDENTITY_FILE = "identity.json"
BLOCKS, BLOCK = 64, 2**16
MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


def model_digest(directory: Path) -> str:
    """Of the weights, the configuration and the tokenizer: every file the answers depend on.

    Raises InputError when the directory holds no weights.
    """
    files = sorted(path for pattern in MODEL_FILES for path in directory.glob(pattern))
    if not any(path.suffix == ".safetensors" for path in files):
        raise InputError(
            f"model.path: {directory} holds no *.safetensors weights; give the directory of a model, with config.json, "
            "tokenizer and weights"
        )
    return digest([[path.name, file_digest(path)] for path in files])


def sampled_digest(directory: Path) -> str:
    """Of all that `model_digest` looks at, but of each file only its size and BLOCKS blocks, evenly spread.

    Tells one model from another, also a fine-tuned one, in milliseconds whatever its size; it does not prove that
    nobody changed a byte (our choice: a run's start should not read 100 GB to say who it is).
    """
    files = sorted(path for pattern in MODEL_FILES for path in directory.glob(pattern))
    return digest([[path.name, path.stat().st_size, sampled_bytes(path, BLOCKS)] for path in files])


def sampled_bytes(path: Path, blocks: int = 3) -> str:
    """Of so many blocks of a file, evenly spread, the first and the last among them."""
    hasher, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        for number in range(blocks):
            file.seek(max(size - BLOCK, 0) * number // (blocks - 1))
            hasher.update(file.read(BLOCK))
    return hasher.hexdigest()[:16]


def file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def file_digests(paths: Iterable[str]) -> list[str]:
    """Name and digest of each file."""
    return [f"{Path(path).name} {file_digest(Path(path))}" for path in paths]


def code_file_digests(specs: Iterable[str]) -> list[str]:
    """Of the files among what was named as file.py, file.py:object or module:object; installed modules are left out."""
    places = {spec if spec.endswith(".py") else spec.rpartition(":")[0] for spec in specs}
    return file_digests(sorted(place for place in places if place.endswith(".py")))


def changes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """A line for every name whose value differs."""
    return [
        f"{name}: {json.dumps(found.get(name))}, not {json.dumps(wanted.get(name))}"
        for name in dict.fromkeys([*wanted, *found])
        if found.get(name) != wanted.get(name)
    ]


def asked_settings(recipe: Recipe) -> dict[str, Any]:
    """What decides, beside model, prompt and sampling, what an answer is."""
    routed = recipe.model.mixture_of_depths
    return {
        "mode": recipe.data.mode,
        "system": recipe.data.system,
        "dtype": recipe.model.dtype,
        "mixture_of_depths": routed.model_dump(mode="json") if routed else None,
        "precision": recipe.optim.precision,
        "video": recipe.video.model_dump(
            include={
                "fps",
                "min_frames",
                "max_frames",
                "sampling",
                "total_pixels",
                "min_frame_pixels",
                "max_frame_pixels",
            }
        ),
    }


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def pool_digest(samples: Sequence[Sample]) -> str:
    """Of the samples and their order. The places of their media are left out: they differ from machine to machine."""
    return digest([content(sample.model_dump(mode="json")) for sample in samples])


def content(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample with the bare names of its media."""
    return with_paths(sample, lambda place: Path(place).name)


def evaluation_identity(recipe: Recipe, model: Path | str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Digests and settings that an evaluation's answers depend on. InputError when `model` holds no weights.

    A `model` that somebody else serves is known by its name alone."""
    return {
        "model": model if isinstance(model, str) else model_digest(model),
        "samples": f"{len(samples)} samples ({pool_digest(samples)})",
        **asked_settings(recipe),
        "max_new_tokens": recipe.eval.max_new_tokens,
        "task files": code_file_digests(recipe.data.tasks),
    }


def claim_evaluation(
    directory: Path, recipe: Recipe, model: Path | str, samples: Sequence[Sample], protocol: str = ""
) -> None:
    """Write identity.json, or find this very identity there: answers on disk are not asked again, so a directory must
    never be continued by another evaluation. InputError for answers of anything else.
    """
    identity = evaluation_identity(recipe, model, samples) | ({"protocol": protocol} if protocol else {})
    path = directory / IDENTITY_FILE
    answers = directory / "predictions.jsonl"
    if not path.exists():
        if answers.exists():
            raise InputError(
                f"{answers} has no {IDENTITY_FILE} beside it: so it is unknown whose answers these are. Give another -o"
            )
        directory.mkdir(parents=True, exist_ok=True)
        write_json(path, identity)
        return
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lines = [f"  {line}" for line in changes(found, identity)]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not the identity file of an evaluation ({error}); give another -o") from None
    if lines:
        raise InputError(f"{directory} contains answers of another evaluation; give another -o:\n" + "\n".join(lines))
