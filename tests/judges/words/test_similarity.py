from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reeltune.judges.words.contrasts import roles_swapped
from reeltune.judges.words.similarity import containment, lemmas, similarity
from reeltune.judges.words.wordnet import are_synonyms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The children were running", ("child", "run")),
        ("moves left", ("move", "left")),
        ("it isn't red", ("it", "not", "red")),
        ("the", ("the",)),
        ("", ()),
        ("T-shirt, blue", ("t-shirt", "blue")),
    ],
)
def test_lemmas(text: str, expected: tuple[str, ...]) -> None:
    assert lemmas(text) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("walks to the door", "walked to a door", 1.0),
        ("vanishes", "disappears", 1.0),
        ("jumps over the fence", "leaps over a fence", 1.0),
        ("moves left", "moves right", 0.0),
        ("moves left right", "moves left", 0.0),
        ("red blue", "red", 0.0),
        ("turns on the light", "turns off the light", 0.0),
        ("girl hits boy", "boy hits girl", 0.0),
        ("boy is hit by girl", "girl hits boy", 6 / 7),
        ("girl is hit by boy", "girl hits boy", 0.0),
        ("is hit by the boy", "hits the boy", 0.0),
        ("girl boy hits", "girl hits boy", 0.0),
        ("turns the lamp on", "turns on the lamp", 1.0),
        ("turns the lamp off", "turns on the lamp", 0.0),
        ("turns up the lamp", "turns on the lamp", 0.0),
        ("puts the cup out of the box", "puts the cup into the box", 0.0),
        ("sits on the chair", "sits in the chair", 2 / 3),
        ("tall and thin", "thin and tall", 1.0),
        ("red", "dark red", 2 / 3),
        ("smiles", "does not smile", 0.0),
        ("red", "blue", 0.0),
        ("", "", 0.0),
    ],
)
def test_similarity(first: str, second: str, expected: float) -> None:
    assert similarity(first, second) == pytest.approx(expected)
    assert similarity(second, first) == pytest.approx(expected)


def test_rare_senses_are_no_synonyms() -> None:
    assert not are_synonyms("run", "flow")
    assert are_synonyms("big", "large")
    assert not are_synonyms("big", "large", senses=0)
    assert similarity("vanishes", "disappears", senses=0) == 0.0


def test_containment_counts_every_word_once() -> None:
    assert containment("a red circle", "red circle") == 1.0
    assert containment("a red circle", "red red circle") == pytest.approx(2 / 3)
    assert containment("", "red") == 0.0


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_bounded(first: str, second: str) -> None:
    assert 0.0 <= similarity(first, second) <= 1.0
    assert similarity(first, second) == similarity(second, first)


SOME = st.lists(st.sampled_from(["go", "move", "travel", "big", "large", "red", "run"]), min_size=1, max_size=4)


@given(SOME, SOME)
def test_matching_is_the_best_of_all(first: list[str], second: list[str]) -> None:
    """Against every order of the longer phrase, tried one by one; where no order of words tells roles."""
    assume(not roles_swapped(" ".join(first), " ".join(second), first, second))
    short, long = sorted([first, second], key=len)
    best = max(
        sum(a == b or are_synonyms(a, b) for a, b in zip(short, order, strict=False)) for order in permutations(long)
    )
    assert similarity(" ".join(first), " ".join(second)) == pytest.approx(2 * best / (len(first) + len(second)))


def test_long_rambling_is_no_burden() -> None:
    assert similarity("red " * 5000, "red " * 5000) == 1.0
    assert containment("red " * 5000, "red " * 40) == 1.0
