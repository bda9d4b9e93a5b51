"""The example family works as it stands: named by its file, checked against stock transformers."""

from pathlib import Path
from typing import Any

import pytest
from tests.models.families.generated import build
from tests.models.families.test_parity import assert_parity

from reeltune.errors import InputError
from reeltune.models.families import FAMILIES, make_family
from reeltune.models.policy import load_policy
from reeltune.registry import load_object

FILE = Path(__file__).parents[2] / "examples" / "own_family.py"
NAME = f"{FILE}:LlavaNextVideo"


def test_it_is_a_whole_family_in_at_most_sixty_lines(clip_of: Any, tmp_path: Path) -> None:
    assert len(FILE.read_text().splitlines()) <= 60
    assert "llava_next_video" not in FAMILIES
    directory = build(tmp_path / "model", "llava_next_video", load_object(NAME, kind="family"), seed=1)
    assert_parity(directory, clip_of, family=NAME)
    assert type(make_family(load_policy(directory, family=NAME).config, directory, NAME)).__name__ == "LlavaNextVideo"


def test_without_its_name_the_nearest_family_and_the_page_are_named(tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "llava_next_video", load_object(NAME, kind="family"))
    with pytest.raises(
        InputError, match=r"no family supports model type 'llava_next_video'; the nearest is 'llava_"
    ) as caught:
        load_policy(directory)
    assert "docs/new-family.md" in str(caught.value)
