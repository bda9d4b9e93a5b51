"""How a model was taught to be asked: what a checkpoint remembers beside its weights, as a part of a recipe.

    {"data": {"mode": "think", "system": null}, "video": {"fps": 2.0, ...}, "eval": {"max_new_tokens": 256}}

A model that learned from 64 frames with its thoughts written down is another one when it is asked in another way.
"""

import json
from pathlib import Path
from typing import Any

from reeltune.config.recipe import Recipe

FILE = "reeltune.json"
VIDEO = ("fps", "min_frames", "max_frames", "sampling", "total_pixels", "min_frame_pixels", "max_frame_pixels")
"""The settings of `video` that shape what the model sees."""


def remembered(recipe: Recipe) -> bytes:
    """What `FILE` holds in the checkpoints of the recipe's run."""
    settings = recipe.model_dump(mode="json")
    kept: dict[str, Any] = {
        "data": {name: settings["data"][name] for name in ("mode", "system")},
        "video": {name: settings["video"][name] for name in VIDEO},
        "eval": {"max_new_tokens": settings["eval"]["max_new_tokens"]},
    }
    return (json.dumps(kept, indent=2) + "\n").encode()


def recipe_file(given: Path | None, model: Path) -> Path | None:
    """The recipe that a model is asked by: the one given, else what its own folder remembers; None: neither."""
    own = model / FILE
    # Adapters once kept something else under this name.
    return given or (own if own.is_file() and b'"base_weights"' not in own.read_bytes() else None)
