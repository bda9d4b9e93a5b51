"""Shared by the tests of LANTNet: made pairs, real pairs where they lie beside the checkout, a quick recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from lantnet.generated.pairs import Pair, Recipe, speckled_pair
from lantnet.methods.learning import Recipe as Method
from lantnet.methods.networks import PixelNetwork
from lantnet.methods.recipes import DEFAULT, RECIPES
from lantnet.methods.training import Training

settings.register_profile("lantnet", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("lantnet")
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "sar"


@pytest.fixture(autouse=True)
def one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def quick_default(monkeypatch: pytest.MonkeyPatch) -> Method:
    """The default recipe with one small network and few steps: its flow, in a second."""
    training = Training(members=1, steps=40, unchanged=64, changed=64)
    recipe = replace(DEFAULT, network=PixelNetwork(width=8), training=training)
    monkeypatch.setitem(RECIPES, "default", recipe)
    return recipe


@pytest.fixture(scope="session")
def fields() -> Pair:
    """Linear power, 96 x 112 pixels, some fields brighter, some darker."""
    return speckled_pair(96, 112, Recipe("fields", 0.3, 4, 1))


LoadPair = Callable[[str], tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def real_pair() -> LoadPair:
    """Loads a pair by name: both dates as float32, the truth as bool; skips where it is not beside the checkout."""

    def load(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        folder = REAL / name
        if not folder.is_dir():
            pytest.skip(f"real pairs are not part of the repository; none at {folder}")
        images = [np.asarray(Image.open(folder / f"{part}.bmp").convert("L")) for part in ("im1", "im2", "gt")]
        return images[0].astype(np.float32), images[1].astype(np.float32), images[2] > 127

    return load
