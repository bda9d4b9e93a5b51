"""The structure a model wrote beside the reference, matched and missed parts marked: an HTML snippet for the report.

Green: matched. Red: written, but in no reference subject. Gray and struck through: in the reference, but missed.
"""

from collections.abc import Mapping, Sequence
from html import escape

from reeltune.tasks.captioning.structure import Subject
from reeltune.tasks.captioning.think_scorer import Pair, align, think_score

_STYLE = (
    "<style>.structure{border-collapse:collapse;margin:.3em 0}.structure td,.structure th{padding:.15em .6em;"
    "text-align:left;vertical-align:top;border-top:1px solid #8884}.structure .matched{color:#2a9d5c}"
    ".structure .extra{color:#c0392b}.structure .missed{color:#888;text-decoration:line-through}"
    ".caption-text{margin:.2em 0}</style>"
)


def caption_picture(
    caption: str | None,
    subjects: Sequence[Subject],
    answers: Mapping[str, tuple[str, Sequence[Subject]] | None],
) -> str:
    """The reference, then each answer's caption and structure. `answers`: name -> (caption, subjects), None: unread."""
    parts = [_STYLE]
    if caption:
        parts.append(f'<p class="caption-text"><b class="truth">reference: {escape(caption)}</b></p>')
    for name, answer in answers.items():
        if answer is None:
            parts.append(f'<p class="wrong">{escape(name)}: no readable answer</p>')
            continue
        text, own = answer
        parts.append(f'<p class="caption-text"><b>{escape(name)}</b>: {escape(text)}</p>')
        if own or subjects:
            parts.append(structure_picture(own, subjects))
    return "".join(parts)


def structure_picture(predicted: Sequence[Subject], reference: Sequence[Subject]) -> str:
    """One row for every pair of subjects, then what only one side has; F1 in the head when there is a reference."""
    found = align(predicted, reference)
    attributes, actions = _sides(found.attributes), _sides(found.actions)
    pairs: list[tuple[int | None, int | None]] = [*found.subjects]
    pairs += [(row, None) for row in range(len(predicted)) if row not in {pair[0] for pair in found.subjects}]
    pairs += [(None, column) for column in range(len(reference)) if column not in {p[1] for p in found.subjects}]
    score = f" (F1 {think_score(predicted, reference):.2f})" if reference else ""
    legend = "green: matched; red: not in the reference; struck through: missed"
    rows = [f'<tr title="{legend}"><th>subject{score}</th><th>attributes</th><th>actions</th></tr>']
    for row, column in pairs:
        one = predicted[row] if row is not None else None
        other = reference[column] if column is not None else None
        cells = [
            _name(one, other),
            _items(row, one.attributes if one else (), column, other.attributes if other else (), attributes),
            _items(row, one.actions if one else (), column, other.actions if other else (), actions),
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f'<table class="structure">{"".join(rows)}</table>'


def _sides(matches: Sequence[tuple[Pair, Pair]]) -> tuple[set[Pair], set[Pair]]:
    return {own for own, _ in matches}, {other for _, other in matches}


def _name(one: Subject | None, other: Subject | None) -> str:
    if one is None:
        return _marked(other.name if other else "", "missed")
    if other is None:
        return _marked(one.name, "extra")
    if one.name.lower() == other.name.lower():
        return _marked(one.name, "matched")
    return f"{escape(one.name)} (for {escape(other.name)})"


def _items(
    row: int | None,
    own: Sequence[str],
    column: int | None,
    other: Sequence[str],
    matched: tuple[set[Pair], set[Pair]],
) -> str:
    cells = [_marked(text, "matched" if (row, index) in matched[0] else "extra") for index, text in enumerate(own)]
    cells += [_marked(text, "missed") for index, text in enumerate(other) if (column, index) not in matched[1]]
    return "; ".join(cells)


def _marked(text: str, kind: str) -> str:
    return f'<span class="{kind}">{escape(text)}</span>'
