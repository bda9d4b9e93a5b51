"""How a mention stands in its sentence: stated, denied, supposed, or bare, by the words beside it.

What nothing states and a word clouds ("some", "almost", "the other candidate") is supposed: a rule that cannot decide
refuses.
"""

from dataclasses import dataclass
from enum import Enum, auto
from re import Pattern

from reeltune.answers import cues

NEAR = 80
"""Characters beside a bare mention in which a word may cloud it."""


class Standing(Enum):
    STATED = auto()
    DENIED = auto()
    SUPPOSED = auto()
    BARE = auto()


@dataclass(frozen=True)
class Stand:
    """`hedged`: beside "maybe"."""

    standing: Standing
    hedged: bool
    strength: int = 0
    """How it is stated: 2 in so many words or alone, 1 first or by a word of its kind ("the total is"), 0 otherwise."""
    firm: bool = False
    """A conclusion, or a correction of what was said before."""


@dataclass(frozen=True)
class Beside:
    """The words before and after a mention, within its sentence and up to its neighbors.

    questioned: the sentence ends with a question mark. whole: it holds no other mention. closes: it has none after
    this one. leads: it stands where an answer needs no further words. after_denial: it follows a mention denied.
    """

    before: str
    after: str
    questioned: bool
    whole: bool
    closes: bool
    leads: bool
    after_denial: bool


def stand(beside: Beside, states: Pattern[str] | None) -> Stand:
    """`states`: further words before a mention that state it."""
    before, after = beside.before, beside.after
    clause = before
    for match in cues.BREAKS.finditer(before):
        clause = before[match.end() :]
    hedged = bool(cues.HEDGES.search(clause))
    if cues.DENIES.search(before) or cues.BAD.match(after) or (beside.closes and cues.BAD_AT_THE_END.match(after)):
        return Stand(Standing.DENIED, hedged)
    if beside.questioned or cues.SUPPOSES.search(clause) or cues.SUPPOSED_AFTER.match(after):
        return Stand(Standing.SUPPOSED, hedged)
    if beside.whole and not any(each.isalnum() for each in before + after):
        return Stand(Standing.STATED, hedged, strength=2)
    contrasted = beside.after_denial and cues.CONTRASTS.match(before)
    firm = bool(contrasted or cues.CORRECTED.search(before) or cues.CONCLUDES.search(before))
    by_kind = bool(states and states.search(before))
    strength = 2 if cues.EXPLICIT.search(before) else int(beside.leads or by_kind)
    stated = cues.STATES.search(before) or cues.GOOD.match(after) or cues.PREFERRED.match(after)
    if firm or strength or stated:
        return Stand(Standing.STATED, hedged, strength, firm)
    clouded = cues.CLOUDS.search(before[-NEAR:]) or cues.CLOUDS.search(after[:NEAR].partition("(")[0])
    return Stand(Standing.SUPPOSED if clouded else Standing.BARE, hedged)
