"""The one rule of reading: the answer is the last one stated.

A reader finds the *mentions* of its kind (letters, numbers, spans ...) in a plain text; `last_stated` says which of
them is the answer. It looks at the words before and after each one, within its sentence (`cues`):

- *denied*: "not B", "B is wrong", "rather than B". It is no answer, and takes an answer of the same value back.
- *supposed*: "if it were B", "at first I thought B", "B?". It says nothing.
- *stated*: "the answer is B", "B is correct", "I choose B", "so B", a box, "not A but B". The last one counts.
- *bare*: anything else. Bare ones count when nothing is stated and all of them agree.

Not every statement is as strong. What is stated less clearly than before replaces nothing. A bare mention of another
value beside a weak statement ("the height is 1.8 m, the width 0.6 m") leaves no answer, unless it stands *aside*: in
brackets, in a clause with "while", as a part of what was said ("of whom 3"). A rule that cannot decide refuses.

Mentions joined by and, or, a comma are one statement; of several values it is ambiguous. After a correction ("wait",
"no,") what is mentioned anew counts, or, being unclear, leaves no answer. Windows around a mention are bounded, so
the time is linear.
"""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from re import Pattern

from reeltune.answers import cues, reservations
from reeltune.answers.grouping import Mention, Statement, statements
from reeltune.answers.standing import Standing


def last_stated(
    text: str,
    mentions: Sequence[Mention],
    *,
    states: Pattern[str] | None = None,
    doubts: Pattern[str] = reservations.DOUBTS,
    many: bool = False,
) -> tuple[tuple[Hashable, ...] | None, str | None]:
    """(values, None), or (None, why there are none). One value, or with `many` all that one statement joins.

    `text` is plain (`plain.plain`), `mentions` are in order and do not overlap. `states`: further words before a
    mention that state it. `doubts`: where it matches, only what is stated is an answer.
    """
    if not mentions:
        return None, "nothing that answers"
    course = _followed(_events(text, statements(text, mentions, states)))
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
        elif not isinstance(event, Statement):
            continue
        elif event.standing is Standing.SUPPOSED:
            course.replaced |= bool(
                event.how.clouded and current and event.follows and _is_rivaled(course, current, event)
            )
        elif event.standing is Standing.STATED:
            course = _stated(course, event)
        elif event.standing is Standing.DENIED:
            course.denied.update(event.values)
            if current and set(current.values) <= set(event.values):
                course.current, course.taken_back = None, True
        elif current and _is_rivaled(course, current, event):
            course.replaced = True
        elif (event.part and event.reverses and not course.fresh) or (
            (event.part or event.explains) and course.fresh and not event.reverses
        ):
            continue
        elif not event.shy or course.corrected:
            course.fresh.append(event)
        elif event.reverses and current and event.values != current.values:
            course.replaced = True
    return course


def _stated(course: _Course, event: Statement) -> _Course:
    """What is stated last counts, unless it is weaker, beside the matter, or one of two that are stated alike."""
    current = course.current
    if current and not course.corrected and _is_weaker(event, current):
        course.replaced |= not event.aside
        return course
    if event.aside and not event.how.strength and not event.how.firm and (current or course.fresh):
        return course
    alike = bool(current and not course.corrected and _is_parallel(event, current))
    return _Course(event, denied=course.denied, replaced=alike)


def _is_weaker(event: Statement, current: Statement) -> bool:
    """ "The answer is A. B fits as well." does not say that the answer is B, nor surely that it still is A."""
    another = event.values != current.values
    return another and event.how.strength < current.how.strength and not event.how.firm


def _is_parallel(event: Statement, current: Statement) -> bool:
    """ "Windows: 9. Doors: 2." and "The scene is snowy, the mood is sunny." say two things, and not which is asked."""
    weak = event.how.strength == current.how.strength == 1 and not event.how.firm
    return weak and not event.reverses and not set(event.values) <= set(current.values)


def _is_rivaled(course: _Course, current: Statement, event: Statement) -> bool:
    """ "The height is 1.8 m, the width 0.6 m." names two and says of neither that it is the answer."""
    if event.values == current.values:
        return False
    weak = current.how.strength < 2 and (event.follows or not current.how.firm)
    return event.continues or (weak and not event.shy and not event.aside and not course.corrected)


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
    for pattern, name in ((cues.CORRECTS, "correction"), (reservations.TAKEN_BACK, "taken back")):
        for match in pattern.finditer(text):
            index = bisect_right(starts, match.start()) - 1
            if index < 0 or inside[index][1] <= match.start():
                placed.append((match.start(), name))
    return [event for _, event in sorted(placed, key=lambda each: each[0])]
