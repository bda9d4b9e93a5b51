"""The think scorer T of VideoCap-R1: F1 over the attributes and actions of subjects. No model judges it.

Subjects are aligned one to one, names first, then what they share (an assignment, scipy); inside a pair attributes
match attributes and actions match actions, one to one, when their similarity (`words.compare`) reaches a threshold.
A pair whose names have nothing in common counts for nothing: who does it is a part of what is done. A match that names
more than is meant ("red blue" for "red"), or leaves it open ("moves" for "moves left"), is worth half per word, so that
neither earns more than picking by chance.
How to align and to match is open in the paper; every choice is a field of `ThinkOptions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reeltune.tasks.captioning.options import ThinkOptions
from reeltune.tasks.captioning.structure import Subject

Pair = tuple[int, int]


@dataclass(frozen=True)
class Alignment:
    """Indices of what was matched, for the score and for the picture.

    `subjects`: (predicted, reference). `attributes` and `actions`: ((subject, item), (subject, item)) of the predicted
    and the reference structure.
    """

    subjects: tuple[Pair, ...]
    attributes: tuple[tuple[Pair, Pair], ...]
    actions: tuple[tuple[Pair, Pair], ...]


def think_score(
    predicted: Sequence[Subject], reference: Sequence[Subject], options: ThinkOptions | None = None
) -> float:
    """F1 (or `options.measure`) in 0..1. Two structures without an item agree (1); one without an item against one with
    some scores 0."""
    from reeltune.judges.words.similarity import hedged

    options = options or ThinkOptions()
    found = align(predicted, reference, options)
    worth = partial(hedged, senses=options.senses)
    attributes = (
        sum(worth(predicted[a].attributes[i], reference[b].attributes[j]) for (a, i), (b, j) in found.attributes),
        sum(len(s.attributes) for s in predicted),
        sum(len(s.attributes) for s in reference),
    )
    actions = (
        sum(worth(predicted[a].actions[i], reference[b].actions[j]) for (a, i), (b, j) in found.actions),
        sum(len(s.actions) for s in predicted),
        sum(len(s.actions) for s in reference),
    )
    measure = jaccard if options.measure == "jaccard" else f1
    if options.pooling == "mean":
        return (measure(*attributes) + measure(*actions)) / 2
    return measure(*(a + b for a, b in zip(attributes, actions, strict=True)))


def f1(matched: float, predicted: float, reference: float) -> float:
    """2 * matched / (predicted + reference); 1 when both are empty."""
    return 2 * matched / (predicted + reference) if predicted + reference else 1.0


def jaccard(matched: float, predicted: float, reference: float) -> float:
    """matched / (all that either names); 1 when both are empty. Naming all of k alternatives earns 1/k, as a guess
    does; under F1 it earns 2 / (k + 1)."""
    return matched / (predicted + reference - matched) if predicted + reference else 1.0


def align(predicted: Sequence[Subject], reference: Sequence[Subject], options: ThinkOptions | None = None) -> Alignment:
    """The best one-to-one alignment of subjects, and the items matched within it."""
    from reeltune.judges.words.similarity import names_alike, similarity

    options = options or ThinkOptions()

    def weight(row: int, column: int) -> float:
        one, other = predicted[row], reference[column]
        matched = sum(len(pairs) for pairs in _matched_items(one, other, options))
        shared = f1(matched, len(one.items), len(other.items)) if one.items or other.items else 0.0
        return options.name_weight * similarity(one.name, other.name, senses=options.senses) + shared

    subjects = _assign(len(predicted), len(reference), weight)
    attributes: list[tuple[Pair, Pair]] = []
    actions: list[tuple[Pair, Pair]] = []
    for row, column in subjects:
        alike = names_alike(predicted[row].name, reference[column].name, senses=options.senses)
        if options.name_weight and alike < options.name_threshold:
            continue
        pairs = _matched_items(predicted[row], reference[column], options)
        for found, own in zip((attributes, actions), pairs, strict=True):
            found += [((row, item), (column, other)) for item, other in own]
    return Alignment(tuple(subjects), tuple(attributes), tuple(actions))


def _matched_items(one: Subject, other: Subject, options: ThinkOptions) -> tuple[list[Pair], list[Pair]]:
    return (
        _match(one.attributes, other.attributes, options),
        _match(one.actions, other.actions, options),
    )


def _match(items: Sequence[str], others: Sequence[str], options: ThinkOptions) -> list[Pair]:
    """As many one-to-one matches as possible, the most similar ones among equals."""
    from reeltune.judges.words.similarity import similarity

    def weight(row: int, column: int) -> float:
        alike = similarity(items[row], others[column], senses=options.senses)
        # More matches weigh more than more similar ones.
        return 1.0 + alike / (1 + len(items)) if alike >= options.threshold else 0.0

    return _assign(len(items), len(others), weight)


def _assign(rows: int, columns: int, weight: Callable[[int, int], float]) -> list[Pair]:
    """Pairs of the assignment with the largest total weight; pairs of no weight are left out."""
    if not rows or not columns:
        return []
    from scipy.optimize import linear_sum_assignment

    weights = [[weight(row, column) for column in range(columns)] for row in range(rows)]
    chosen = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
    return [(int(row), int(column)) for row, column in chosen if weights[row][column] > 0]
