"""The one rule of reading: the answer is the last one stated.

A reader finds the *mentions* of its kind (letters, numbers, spans ...) in a plain text; `last_stated` says which of
them is the answer. It looks at the words before and after each one, within its sentence (`cues`):

- *denied*: "not B", "B is wrong", "rather than B". It is no answer, and takes an answer of the same value back.
- *supposed*: "if it were B", "at first I thought B", "B?". It says nothing.
- *stated*: "the answer is B", "B is correct", "I choose B", "so B", a box, "not A but B". The last one counts.
- *bare*: anything else. Bare ones count when nothing is stated and all of them agree.

Mentions joined by and, or, a comma are one statement; of several values it is ambiguous. After a correction ("wait",
"no,") what is mentioned anew counts, or, being unclear, leaves no answer. Windows around a mention are bounded, so
the time is linear.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from re import Pattern

from reeltune.answers import cues

WINDOW = 160
"""Characters before and after a mention that are looked at."""


@dataclass(frozen=True)
class Mention:
    """Where a value stands in a text. `problem`: why it cannot be read; an answer that is so is refused."""

    start: int
    end: int
    value: Hashable
    problem: str | None = None
    shy: bool = False
    """It counts only where the words around it state it, as a letter amid prose does."""
    leads: bool = False
    """It stands where an answer needs no further words, as a letter alone on a line does."""


class Standing(Enum):
    STATED = auto()
    DENIED = auto()
    SUPPOSED = auto()
    BARE = auto()


@dataclass(frozen=True)
class Statement:
    """Mentions that are joined. `alternatives`: by "or"."""

    mentions: tuple[Mention, ...]
    alternatives: bool
    standing: Standing
    hedged: bool
    reverses: bool

    @property
    def values(self) -> tuple[Hashable, ...]:
        return tuple(dict.fromkeys(mention.value for mention in self.mentions))

    @property
    def shy(self) -> bool:
        return all(mention.shy for mention in self.mentions) and not self.hedged


def last_stated(
    text: str, mentions: Sequence[Mention], *, states: Pattern[str] | None = None, many: bool = False
) -> tuple[tuple[Hashable, ...] | None, str | None]:
    """(values, None), or (None, why there are none). One value, or with `many` all that one statement joins.

    `text` is plain (`plain.plain`), `mentions` are in order and do not overlap. `states`: further words before a
    mention that state it.
    """
    if not mentions:
        return None, "nothing that answers"
    found = _statements(text, mentions, states)
    current: Statement | None = None
    # 1. Through the text in its order: what was last stated stands in `current`, until it is denied or taken back.
    fresh: list[Statement] = []  # bare ones since the last statement or correction
    denied: set[Hashable] = set()
    taken_back = corrected = replaced = False
    for event in _events(text, found):
        if event == "correction":
            corrected, fresh = True, []
        elif event == "taken back":
            current, fresh, taken_back = None, [], True
        elif not isinstance(event, Statement) or event.standing is Standing.SUPPOSED:
            continue
        elif event.standing is Standing.STATED:
            current, fresh, corrected, taken_back, replaced = event, [], False, False, False
        elif event.standing is Standing.DENIED:
            denied.update(event.values)
            if current and set(current.values) <= set(event.values):
                current, taken_back = None, True
        elif not event.shy or corrected:
            fresh.append(event)
        elif event.reverses and current and event.values != current.values:
            replaced = True
    # 2. Bare mentions ("B") count where nothing is stated, or after a correction ("no, wait: C"), if they agree. Where
    #    they do not, guessing one would reward a text that names every option.
    fresh = [each for each in fresh if not denied.issuperset(each.values)]
    if fresh and current is None and cues.DOUBTS.search(text):
        return None, "an answer in doubt"
    if fresh and (current is None or corrected):
        first, *others = fresh
        if any(other.values != first.values for other in others):
            return None, "several answers, none of them final"
        current = first
    if current is None:
        return (
            None,
            "an answer that is taken back"
            if taken_back
            else "an answer that is denied"
            if denied
            else "nothing that answers",
        )
    if replaced:
        return None, "an answer that another one may replace"
    return _values(current, many)


def _values(statement: Statement, many: bool) -> tuple[tuple[Hashable, ...] | None, str | None]:
    for mention in statement.mentions:
        if mention.problem:
            return None, mention.problem
    values = statement.values
    if len(values) > 1 and (statement.alternatives or not many):
        return None, "several answers at once"
    return values, None


def _events(text: str, statements: Sequence[Statement]) -> list["Statement | str"]:
    """Statements, corrections and withdrawals in the order of the text."""
    inside = [(each.mentions[0].start, each.mentions[-1].end) for each in statements]
    placed: list[tuple[int, Statement | str]] = [
        (start, each) for (start, _), each in zip(inside, statements, strict=True)
    ]
    starts = [start for start, _ in inside]
    for pattern, name in ((cues.CORRECTS, "correction"), (cues.TAKEN_BACK, "taken back")):
        for match in pattern.finditer(text):
            index = bisect_right(starts, match.start()) - 1
            if index < 0 or inside[index][1] <= match.start():
                placed.append((match.start(), name))
    return [event for _, event in sorted(placed, key=lambda each: each[0])]


def _statements(text: str, mentions: Sequence[Mention], states: Pattern[str] | None) -> list[Statement]:
    """The mentions, joined ("B and C") where the words between them join them, each with how it stands in its text."""
    # 1. Which mentions belong together.
    ends = _sentence_ends(text, mentions)
    groups: list[list[Mention]] = []
    alternatives: list[bool] = []
    for mention in mentions:
        gap = text[groups[-1][-1].end : mention.start] if groups else ""
        if groups and _joined(text, gap, groups[-1], mention):
            groups[-1].append(mention)
            alternatives[-1] |= bool(cues.ALTERNATIVES.search(gap))
        else:
            groups.append([mention])
            alternatives.append(False)
    # 2. How each group stands: by the words beside it, within its sentence, up to its neighbors and WINDOW characters,
    #    so that the time stays linear. A denial beside it ("not C, D") may be about the one before.
    found: list[Statement] = []
    for index, group in enumerate(groups):
        begin, end = group[0].start, group[-1].end
        sentence = _before(ends, begin), _after(ends, end, len(text))
        left = max(sentence[0], groups[index - 1][-1].end if index else 0, begin - WINDOW)
        right = min(sentence[1], groups[index + 1][0].start if index + 1 < len(groups) else len(text))
        near = index and (left == groups[index - 1][-1].end or _next_to(text, groups, index))
        standing, hedged = _standing(
            text[left:begin],
            text[end : min(right, end + WINDOW)],
            group,
            found[-1] if near else None,
            states,
            questioned=text[sentence[1] : sentence[1] + 1] == "?",
            whole=(left, right) == sentence,
            closes=right == sentence[1],
        )
        reverses = bool(cues.REVERSES.search(text[left:begin]))
        found.append(Statement(tuple(group), alternatives[index], standing, hedged, reverses))
    return found


def _next_to(text: str, groups: Sequence[Sequence[Mention]], index: int) -> bool:
    """'Not C. D.': nothing but marks between a mention and the one before it."""
    gap = text[groups[index - 1][-1].end : groups[index][0].start] if index else "x"
    return len(gap) < 40 and not any(each.isalnum() for each in gap)


def _joined(text: str, gap: str, group: Sequence[Mention], mention: Mention) -> bool:
    if len(gap) > 60 or not (cues.JOINS.match(gap) or re.fullmatch(r"\s?\.\s{1,3}", gap)):
        return False
    after = text[mention.end : mention.end + 40]
    plain_gap = not any(each.isalpha() for each in gap)
    # "B, A is wrong": the second one begins a clause of its own. "Not 4, 5": the second one is meant.
    if plain_gap and cues.PREDICATE.match(after):
        return False
    # "6 (2 on the left, 4 on the right)": what a bracket explains is no second answer.
    if gap.strip() == "(" and mention.value != group[-1].value:
        return False
    before = text[max(0, group[0].start - 40) : group[0].start]
    return not (plain_gap and len(group) == 1 and cues.DENIES.search(before))


def _standing(
    before: str,
    after: str,
    group: Sequence[Mention],
    previous: Statement | None,
    states: Pattern[str] | None,
    *,
    questioned: bool,
    whole: bool,
    closes: bool,
) -> tuple[Standing, bool]:
    clause = before
    for match in cues.BREAKS.finditer(before):
        clause = before[match.end() :]
    hedged = bool(cues.HEDGES.search(clause))
    if cues.DENIES.search(before) or cues.BAD.match(after) or (closes and cues.BAD_AT_THE_END.match(after)):
        return Standing.DENIED, hedged
    if cues.SUPPOSES.search(clause):
        return Standing.SUPPOSED, hedged
    if questioned:
        return Standing.SUPPOSED, hedged
    if whole and not any(each.isalnum() for each in before + after):
        return Standing.STATED, hedged
    contrasted = previous is not None and previous.standing is Standing.DENIED and cues.CONTRASTS.match(before)
    stated = cues.STATES.search(before) or cues.CORRECTED.search(before) or (states and states.search(before))
    if contrasted or stated or cues.GOOD.match(after) or any(mention.leads for mention in group):
        return Standing.STATED, hedged
    return Standing.BARE, hedged


def _sentence_ends(text: str, mentions: Sequence[Mention]) -> list[int]:
    """Positions of marks that end a sentence, outside mentions."""
    starts = [mention.start for mention in mentions]
    ends = []
    for match in cues.SENTENCE_END.finditer(text):
        index = bisect_right(starts, match.start()) - 1
        if index < 0 or mentions[index].end <= match.start():
            ends.append(match.start())
    return ends


def _before(ends: Sequence[int], position: int) -> int:
    index = bisect_left(ends, position)
    return ends[index - 1] + 1 if index else 0


def _after(ends: Sequence[int], position: int, length: int) -> int:
    index = bisect_left(ends, position)
    return ends[index] if index < len(ends) else length


def alone(text: str, start: int, end: int, margin: int = 8) -> bool:
    """Whether nothing but marks stands beside it on its line."""
    left, right = text[max(0, start - margin) : start], text[end : end + margin]
    left, right = left.rpartition("\n")[2] if "\n" in left else left, right.partition("\n")[0]
    bounded = (start - len(left) == 0 or text[start - len(left) - 1] == "\n") and (
        end + len(right) == len(text) or text[end + len(right)] == "\n"
    )
    return bounded and not any(each.isalnum() for each in left + right)
