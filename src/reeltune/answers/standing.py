"""How a mention stands in its sentence: stated, denied, supposed, or bare, by the words beside it.

What nothing states and a word clouds ("some", "almost", "the other candidate") is supposed: a rule that cannot decide
refuses.
"""

from dataclasses import dataclass
from enum import Enum, auto
from re import Pattern

from reeltune.answers import cues, reservations

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
    clouded: bool = False
    """Supposed only since a word beside it leaves open what is meant."""

    def supposed(self) -> "Stand":
        """The same, said by somebody else or under a condition; what is denied stays so."""
        return self if self.standing is Standing.DENIED else Stand(Standing.SUPPOSED, self.hedged)


@dataclass(frozen=True)
class Beside:
    """A mention's surroundings: the words before and after it, within its sentence and up to its neighbors.

    reply: the mark that ends the sentence and what comes next. starts, closes, whole: no mention comes before it in its
    sentence, after it, or either. ends: no word of the text comes after it. leads: it stands where an answer needs no
    further words. shy: as `Mention.shy`. words: it is words, three or more of them a clause. after_denial: it follows a
    mention denied; after_choice: "between B and C".
    """

    before: str
    after: str
    reply: str
    starts: bool
    closes: bool
    ends: bool
    leads: bool
    shy: bool
    words: bool
    clause: bool
    after_denial: bool
    after_choice: bool

    @property
    def whole(self) -> bool:
        return self.starts and self.closes

    @property
    def questioned(self) -> bool:
        return self.reply.startswith("?")


def stand(beside: Beside, states: Pattern[str] | None) -> Stand:
    """`states`: further words before a mention that state it."""
    before, after = beside.before, beside.after
    clause = before
    for match in reservations.BREAKS.finditer(before):
        clause = before[match.end() :]
    hedged = bool(reservations.HEDGES.search(clause))
    if _is_preferred(beside):
        return Stand(Standing.STATED, hedged, strength=1)
    if _is_denied(beside):
        return Stand(Standing.DENIED, hedged)
    if _is_supposed(beside, clause):
        return Stand(Standing.SUPPOSED, hedged)
    fragment = beside.whole and cues.FRAGMENT.match(before) and cues.FRAGMENT.match(after)
    alone = fragment and not any(each.isalnum() for each in before + after)
    contrasted = (beside.after_denial or beside.after_choice) and cues.CONTRASTS.match(before)
    told = beside.ends and not hedged and (beside.shy or not beside.starts) and cues.TELLS.search(before)
    firm = bool(told or contrasted or cues.CORRECTED.search(before) or cues.CONCLUDES.search(before))
    by_kind = bool(states and states.search(before))
    strength = int(beside.leads or by_kind or bool(fragment and not hedged))
    strength = 2 if alone or cues.EXPLICIT.search(before) else strength
    stated = cues.STATES.search(before) or cues.GOOD.match(after) or cues.PREFERRED.match(after)
    if firm or strength or stated or fragment:
        return Stand(Standing.STATED, hedged, strength, firm)
    clouded = _is_clouded(beside, clause)
    return Stand(Standing.SUPPOSED if clouded else Standing.BARE, hedged, clouded=clouded)


def _is_preferred(beside: Beside) -> bool:
    """ "None but C", "more B than D", "worse than D", "C? Yes", a tick: it is meant, though denials are near."""
    before, after = beside.before, beside.after
    if beside.questioned and cues.YES.match(beside.reply):
        return True
    if cues.EXCEPTED.search(before) or (reservations.EXCEPTS.search(before) and reservations.BAD.match(after)):
        return True
    likelier = cues.LIKELIER.search(before) and cues.THAN.match(after)
    return bool(likelier or cues.LESSER.search(before) or (beside.starts and cues.TICK.search(before)))


def _is_denied(beside: Beside) -> bool:
    before, after = beside.before, beside.after
    if (beside.questioned and reservations.NO.match(beside.reply)) or reservations.DENIES.search(before):
        return True
    crossed = beside.starts and reservations.CROSS.search(before)
    at_the_end = beside.closes and reservations.BAD_AT_THE_END.match(after)
    return bool(crossed or at_the_end or reservations.BAD.match(after))


def _is_supposed(beside: Beside, clause: str) -> bool:
    """`clause`: what comes before it, after the last "but" or "so"."""
    share = reservations.SURE.search(clause)
    unlikely = share and float(share[1]) < 50
    said = reservations.SUPPOSES.search(clause) or reservations.SUPPOSED_AFTER.match(beside.after)
    return bool(beside.questioned or unlikely or said)


def _is_clouded(beside: Beside, clause: str) -> bool:
    """Whether a word beside a bare mention makes it unsure that it is meant. `clause`: as for `_is_supposed`."""
    near = clause[-NEAR:]
    near = near.rpartition(", ")[2] if beside.clause else near
    if beside.words and reservations.OBJECT.search(beside.before):
        return True
    return bool(reservations.CLOUDS.search(near) or reservations.CLOUDS.search(beside.after[:NEAR].partition("(")[0]))
