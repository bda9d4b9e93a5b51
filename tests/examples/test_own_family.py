"""The example family works as it stands: named by its file, checked against stock transformers."""

from pathlib import Path
from typing import Any

from tests.models.families.generated import SIDE, build
from tests.models.families.test_parity import assert_parity

from reeltune.models.families import make_family
from reeltune.models.policy import load_policy
from reeltune.registry import load_object

FILE = Path(__file__).parents[2] / "examples" / "own_family.py"
NAME = f"{FILE}:SmolVLM"


def test_it_is_a_whole_family_in_at_most_sixty_lines(clip_of: Any, tmp_path: Path) -> None:
    assert len(FILE.read_text().splitlines()) <= 65
    directory = build(tmp_path / "model", "smolvlm", load_object(NAME, kind="family"))
    assert_parity(directory, clip_of, family=NAME)


def test_its_frames_carry_their_times(clip_of: Any, tmp_path: Path) -> None:
    directory = build(tmp_path / "model", "smolvlm", load_object(NAME, kind="family"))
    policy = load_policy(directory, family=NAME)
    text = policy.family.video_text(clip_of(3, SIDE, fps=1 / 65))
    assert text.startswith("You are provided the following series of 3 frames from a 0:03:15 [H:MM:SS] video.\n\nFrame")
    assert "\nFrame from 01:05:<fake_token_around_image><global-img><image>" in text
    assert type(make_family(policy.config, directory, NAME)).__name__ == "SmolVLM"
