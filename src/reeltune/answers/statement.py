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
from dataclasses import dataclass, field
from re import Pattern

from reeltune.answers import cues
from reeltune.answers.plain import BOXED
from reeltune.answers.standing import Beside, Stand, Standing, stand

WINDOW = 160
"""Characters before and after a mention that are looked at."""
_GOES_ON = re.compile(r"[^,;:.()!?\n]* (?:and|or) ")
_NOT = re.compile(r"(?:(?<![a-z])not|n't) (?:(?:the|an?|in|at|on|from|option) )*$|不是$", re.IGNORECASE)
_NEXT_ITEM = re.compile(r"\s?\.\s{1,3}|\s*\n\s*[0-9]{1,2}[.)]\s*")
_GOES_ON_IN_SMALL = re.compile(r"[\"')\]]{0,2} [a-z]")


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


@dataclass(frozen=True)
class Statement:
    """Mentions that are joined. `alternatives`: by "or"."""

    mentions: tuple[Mention, ...]
    alternatives: bool
    how: Stand
    reverses: bool
    """After "but" or "however"."""
    continues: bool
    """"4 on the table and 1 on the floor": it goes on with what was stated right before it."""

    @property
    def standing(self) -> Standing:
        return self.how.standing

    @property
    def values(self) -> tuple[Hashable, ...]:
        return tuple(dict.fromkeys(mention.value for mention in self.mentions))

    @property
    def shy(self) -> bool:
        return all(mention.shy for mention in self.mentions) and not self.how.hedged


def last_stated(
    text: str,
    mentions: Sequence[Mention],
    *,
    states: Pattern[str] | None = None,
    doubts: Pattern[str] = cues.DOUBTS,
    many: bool = False,
) -> tuple[tuple[Hashable, ...] | None, str | None]:
    """(values, None), or (None, why there are none). One value, or with `many` all that one statement joins.

    `text` is plain (`plain.plain`), `mentions` are in order and do not overlap. `states`: further words before a
    mention that state it. `doubts`: where it matches, only what is stated is an answer.
    """
    if not mentions:
        return None, "nothing that answers"
    course = _followed(_events(text, _statements(text, mentions, states)))
    current = course.current
    # Bare mentions ("B") count where nothing is stated, or after a correction ("no, wait: C"), if they agree. Where
    # they do not, guessing one would reward a text that names every option.
    fresh = [each for each in course.fresh if not course.denied.issuperset(each.values)]
    if fresh and current is None and doubts.search(text):
        return None, "an answer in doubt"
    if fresh and (current is None or course.corrected):
        first, *others = fresh
        if any(other.values != first.values for other in others):
            return None, "several answers, none of them final"
        current = first
    if current is None:
        denied = "an answer that is denied" if course.denied else "nothing that answers"
        return None, "an answer that is taken back" if course.taken_back else denied
    if course.replaced:
        return None, "an answer that another one may replace"
    return _values(current, many)


@dataclass
class _Course:
    """What a text has said so far. current: what was last stated, until it is denied or taken back. fresh: bare
    statements since then, or since a correction. replaced: something weaker may have replaced it."""

    current: Statement | None = None
    fresh: list[Statement] = field(default_factory=list)
    denied: set[Hashable] = field(default_factory=set)
    taken_back: bool = False
    corrected: bool = False
    replaced: bool = False


def _followed(events: Sequence["Statement | str"]) -> _Course:
    """The text in its order."""
    course = _Course()
    for event in events:
        current = course.current
        if event == "correction":
            course.corrected, course.fresh = True, []
        elif event == "taken back":
            course.current, course.fresh, course.taken_back = None, [], True
        elif not isinstance(event, Statement) or event.standing is Standing.SUPPOSED:
            continue
        elif event.standing is Standing.STATED and current and not course.corrected and _is_weaker(event, current):
            course.replaced = True
        elif event.standing is Standing.STATED:
            course = _Course(event, denied=course.denied)
        elif event.standing is Standing.DENIED:
            course.denied.update(event.values)
            if current and set(current.values) <= set(event.values):
                course.current, course.taken_back = None, True
        elif event.continues and current and event.values != current.values:
            course.replaced = True
        elif not event.shy or course.corrected:
            course.fresh.append(event)
        elif event.reverses and current and event.values != current.values:
            course.replaced = True
    return course


def _is_weaker(event: Statement, current: Statement) -> bool:
    """ "The answer is A. B fits as well." does not say that the answer is B, nor surely that it still is A."""
    another = event.values != current.values
    return another and event.how.strength < current.how.strength and not event.how.firm


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
        beside = Beside(
            before=text[left:begin],
            after=text[end : min(right, end + WINDOW)],
            questioned=text[sentence[1] : sentence[1] + 1] == "?",
            whole=(left, right) == sentence,
            closes=right == sentence[1],
            leads=any(mention.leads for mention in group),
            after_denial=bool(near and found[-1].standing is Standing.DENIED),
        )
        gap = text[groups[index - 1][-1].end : begin][:WINDOW] if index else ""
        continues = bool(found and found[-1].standing is Standing.STATED and _GOES_ON.fullmatch(gap))
        reverses = bool(cues.REVERSES.search(beside.before))
        found.append(Statement(tuple(group), alternatives[index], stand(beside, states), reverses, continues))
    return found


def _next_to(text: str, groups: Sequence[Sequence[Mention]], index: int) -> bool:
    """'Not C. D.': nothing but marks between a mention and the one before it."""
    gap = text[groups[index - 1][-1].end : groups[index][0].start] if index else "x"
    return len(gap) < 40 and not any(each.isalnum() for each in gap)


def _joined(text: str, gap: str, group: Sequence[Mention], mention: Mention) -> bool:
    if len(gap) > 60 or not (cues.JOINS.match(gap) or _NEXT_ITEM.fullmatch(gap)):
        return False
    before, after = text[max(0, group[0].start - 40) : group[0].start], text[mention.end : mention.end + 40]
    plain_gap = not any(each.isalpha() for each in gap)
    stops = any(mark in gap for mark in ".;\n") or text[group[-1].end - 1] == "."
    # "B, A is wrong" and "B. A came second": the second one begins a clause of its own.
    if plain_gap and (cues.PREDICATE.match(after) or (stops and _GOES_ON_IN_SMALL.match(after))):
        return False
    # "6 (2 on the left, 4 on the right)": what a bracket explains is no second answer.
    if gap.strip() == "(" and mention.value != group[-1].value:
        return False
    if stops and text[mention.start] == BOXED:
        return False
    # "Not 4, 5": the second one is meant. "I exclude A, C" denies both.
    if stops:
        return not (plain_gap and cues.DENIES.search(before))
    return not (plain_gap and len(group) == 1 and _NOT.search(before))


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
