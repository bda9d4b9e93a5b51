from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.judges.words.similarity import similarity
from reeltune.tasks.captioning.options import ThinkOptions
from reeltune.tasks.captioning.structure import Subject
from reeltune.tasks.captioning.think_scorer import align, think_score


def subject(name: str, attributes: str = "", actions: str = "") -> Subject:
    return Subject(name=name, attributes=tuple(attributes.split("; ")) if attributes else (),
                   actions=tuple(actions.split("; ")) if actions else ())  # fmt: skip


MAN = subject("man", "tall; bearded", "runs; jumps over the fence")
WOMAN = subject("woman", "young", "sits down")


def test_the_same_structure_scores_one_in_any_order_and_in_other_words() -> None:
    assert think_score([MAN, WOMAN], [WOMAN, MAN]) == 1.0
    assert think_score([subject("man", "bearded; tall", "leaped over a fence; running"), WOMAN], [MAN, WOMAN]) == 1.0


def test_f1_counts_attributes_and_actions() -> None:
    """Two of the man's four items and one item too many: 2 * 2 / (3 + 4)."""
    assert think_score([subject("man", "tall", "runs; sings")], [MAN]) == pytest.approx(4 / 7)
    mean = ThinkOptions(pooling="mean")
    assert think_score([subject("man", "tall", "runs; sings")], [MAN], mean) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_swapped_roles_earn_nothing_for_their_actions() -> None:
    swapped = [subject("man", "", "sits down"), subject("woman", "", "runs")]
    assert think_score(swapped, [subject("man", "", "runs"), subject("woman", "", "sits down")]) == 0.0
    # Without names there is nothing to tell them apart by.
    blind = ThinkOptions(name_weight=0.0)
    assert think_score(swapped, [subject("man", "", "runs"), subject("woman", "", "sits down")], blind) == 1.0


def test_a_negated_or_reversed_action_is_another_one() -> None:
    assert think_score([subject("man", "", "does not run")], [subject("man", "", "runs")]) == 0.0
    assert think_score([subject("dog", "", "moves right")], [subject("dog", "", "moves left")]) == 0.0


def test_padding_and_repeating_cost() -> None:
    reference = [subject("man", "tall", "runs")]
    assert think_score([subject("man", "tall; tall; tall", "runs; runs")], reference) == pytest.approx(4 / 7)
    padded = [subject("man", "tall; short; old; young", "runs; sits; jumps; sings")]
    assert think_score(padded, reference) == pytest.approx(4 / 10)


def test_empty_structures() -> None:
    assert think_score([], []) == 1.0
    assert think_score([], [MAN]) == 0.0
    assert think_score([subject("man")], [MAN]) == 0.0
    assert think_score([MAN], [subject("man")]) == 0.0


def test_the_threshold_and_the_synonyms_can_be_set() -> None:
    one, other = [subject("cat", "dark red", "vanishes")], [subject("cat", "red", "disappears")]
    assert think_score(one, other) == 1.0
    assert think_score(one, other, ThinkOptions(threshold=0.7)) == 0.5
    assert think_score(one, other, ThinkOptions(senses=0)) == 0.5


SUBJECTS = st.lists(
    st.builds(
        subject,
        st.sampled_from(["man", "woman", "dog", "red circle", "circle"]),
        st.sampled_from(["", "red", "red; tall", "tall; young", "dark red"]),
        st.sampled_from(["", "runs", "runs; moves left", "moves right", "jumps; runs"]),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(SUBJECTS, SUBJECTS)
def test_the_alignment_is_the_best_of_all(predicted: list[Subject], reference: list[Subject]) -> None:
    """Against every one-to-one alignment, tried one by one with plain loops."""

    def matches(items: tuple[str, ...], others: tuple[str, ...]) -> int:
        short, long = sorted([items, others], key=len)
        return max(
            sum(similarity(a, b) >= 0.6 for a, b in zip(short, order, strict=False)) for order in permutations(long)
        )

    def value(one: Subject, other: Subject) -> float:
        total = len(one.items) + len(other.items)
        matched = matches(one.attributes, other.attributes) + matches(one.actions, other.actions)
        return 2.0 * similarity(one.name, other.name) + (2 * matched / total if total else 0.0)

    short, long = sorted([predicted, reference], key=len)
    best = max(sum(value(a, b) for a, b in zip(short, order, strict=False)) for order in permutations(long))
    found = align(predicted, reference)
    assert sum(value(predicted[a], reference[b]) for a, b in found.subjects) == pytest.approx(best)
    assert 0.0 <= think_score(predicted, reference) <= 1.0
