"""The guard against vacuous tests: a claim whose subject is taken away must fail its test.

Each case here removes the subject of a claim that other tests make, and sees their precondition fail.
"""

from pathlib import Path
from typing import Any

import pytest
from tests import warm


def test_one_process_in_place_of_two_fails(workshop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("tests.workshop.Command", lambda *words, ranks: warm.Command(*words))
    with pytest.raises(AssertionError, match="had 1 processes, the test is about 2"):
        workshop.train("two", "rl.steps=1", "eval.every=0", processes=2)


def test_a_cut_file_that_is_whole_fails(tmp_path: Path) -> None:
    from tests.damage import cut

    file = tmp_path / "clip.mp4"
    file.write_bytes(bytes(1000))
    with pytest.raises(AssertionError, match="nothing was cut"):
        cut(file, 1000)
    cut(file, 300)
    assert file.stat().st_size == 300


def test_the_oldest_release_that_is_the_newest_fails() -> None:
    from tests.damage import require_oldest

    with pytest.raises(AssertionError, match="is not the oldest"):
        require_oldest("5.24.0", oldest="5.17.0")
    require_oldest("5.17.0", oldest="5.17.0")
