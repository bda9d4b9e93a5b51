"""Whose answers `reeltune eval` keeps in a directory: those of one model to one set of samples, asked one way.

Answers on disk are not asked again, so a directory must never be continued by another evaluation.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reeltune.config.recipe import Recipe
from reeltune.data.samples import Sample
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.provenance import asked_settings, changes, code_file_digests, model_digest, pool_digest

FILE = "identity.json"


def identify(recipe: Recipe, model: Path, samples: Sequence[Sample]) -> dict[str, Any]:
    """Digests and settings that the answers depend on. InputError when `model` holds no weights."""
    return {
        "model": model_digest(model),
        "samples": f"{len(samples)} samples ({pool_digest(samples)})",
        **asked_settings(recipe),
        "max_new_tokens": recipe.eval.max_new_tokens,
        "task files": code_file_digests(recipe.data.tasks),
    }


def claim(directory: Path, identity: dict[str, Any]) -> None:
    """Write identity.json, or find this very identity there. InputError for answers of anything else."""
    path = directory / FILE
    answers = directory / "predictions.jsonl"
    if not path.exists():
        if answers.exists():
            raise InputError(f"{answers} has no {FILE} beside it: whose answers are these? Give another -o")
        directory.mkdir(parents=True, exist_ok=True)
        write_json(path, identity)
        return
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lines = [f"  {line}" for line in changes(found, identity)]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not the identity of an evaluation ({error}); give another -o") from None
    if lines:
        raise InputError(f"{directory} holds answers of another evaluation; give another -o:\n" + "\n".join(lines))
