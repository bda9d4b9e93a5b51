"""Reading a label from what a model wrote: the label itself, or the only label in a sentence that denies nothing."""

import re
from collections.abc import Sequence

from reeltune.tasks.answers import Block
from reeltune.tasks.choice_answers import normalised

_DENIAL = re.compile(r"\b(?:not|no|never|neither|nor|isn't|cannot|without)\b|n't\b", re.IGNORECASE)


def read_label(block: Block, labels: Sequence[str]) -> tuple[str | None, str | None]:
    """(label as the sample writes it, None), or (None, why it cannot be read)."""
    if not block.text:
        return None, "no answer"
    text = normalised(block.text)
    for label in labels:
        if normalised(label) == text:
            return label, None
    found, rest = set(), text
    for label in sorted(labels, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(normalised(label))}(?!\w)"
        if normalised(label) and re.search(pattern, rest):
            found.add(label)
            rest = re.sub(pattern, " ", rest)
    if not found:
        return None, "no label"
    if len(found) > 1:
        return None, "several labels"
    return (None, "a label that is denied") if _DENIAL.search(rest) else (found.pop(), None)
