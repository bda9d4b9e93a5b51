"""Which mentions make one statement, and how each statement stands in its sentence."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from re import Pattern

from reeltune.answers import asides, cues, reservations
from reeltune.answers.plain import BOXED
from reeltune.answers.standing import Beside, Stand, Standing, stand

WINDOW = 160
"""Characters before and after a mention that are looked at."""
_GOES_ON = re.compile(r"[^,;:.()!?\n]* (?:and|or) ")
_NOT = re.compile(
    r"(?:(?<![a-z])(?:not|rather than|instead of|unlike)|n't) (?:(?:the|an?|in|at|on|from"
    r"|option) )*$|不是$",
    re.IGNORECASE,
)
_QUOTE = re.compile(r'"[^"\n]{1,200}"')
_SAYS = re.compile(r"\w")
_OPENED, _EXPLAINS = (
    re.compile(r"[^.!?\n]{0,60}\([^()]*$"),
    re.compile(r"[^.,;!?\n:]{0,40}:(?!\s?[0-9])[^.;!?\n]{0,60}\Z"),
)
"""'7 birds in total: 3 in the tree and 4 on the ground'"""
_EXPLAINED = re.compile(r"[).!?;](?![0-9])|\n")
_BUT = re.compile(r"\W{0,3}(?:but|however|yet) ", re.IGNORECASE)
_THAN = re.compile(r"\s?than (?:(?:to|a|an|the) )*", re.IGNORECASE)
"""'rather B than D'"""
_AGAIN = re.compile(r"(?:i\.e\.?|in other words|that is),?[\s(\"']*$", re.IGNORECASE)
"""It says the same again."""
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
    follows: bool
    """Another one stands before it in its sentence."""
    reverses: bool = False
    """After "but" or "however"."""
    part: bool = False
    """"Of them 3": of what was said before."""
    aside: bool = False
    """In brackets, in a clause with "while", "of which 3": beside what was stated before."""
    explains: bool = False
    """What it stands in begins with a colon after the one before."""
    continues: bool = False
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


def statements(text: str, mentions: Sequence[Mention], states: Pattern[str] | None) -> list[Statement]:
    """The mentions, joined ("B and C") where the words between them join them, each with how it stands in its text."""
    # 1. Which mentions belong together.
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
    ends, quotes = _sentence_ends(text, mentions), _quotes(text)
    found: list[Statement] = []
    for index, group in enumerate(groups):
        begin, end = group[0].start, group[-1].end
        last = groups[index - 1][-1] if index else None
        sentence = _before(ends, begin), _after(ends, end, len(text))
        left = max(sentence[0], last.end if last else 0, begin - WINDOW)
        right = min(sentence[1], groups[index + 1][0].start if index + 1 < len(groups) else len(text))
        near = last and (left == last.end or _next_to(text, last.end, begin))
        is_last = not _SAYS.search(text, end)
        opposed = index and (
            found[-1].standing is Standing.DENIED or (is_last and _is_opposed(found[-1], text[left:begin]))
        )
        beside = Beside(
            before=text[left : begin + (text[begin] == BOXED)],
            after=text[end : min(right, end + WINDOW)],
            reply=text[sentence[1] : sentence[1] + 20],
            starts=left == sentence[0],
            closes=right == sentence[1],
            ends=is_last,
            leads=any(mention.leads for mention in group),
            shy=all(mention.shy for mention in group),
            words=text[begin].isalpha(),
            clause=len(text[begin:end].split()) > 2 or text[begin:end].casefold() in ("yes", "no"),
            after_denial=bool(near and opposed and last and last.value != group[0].value),
            after_choice=bool(last and left == last.end and _is_choice(text, groups[index - 1][0].start)),
        )
        gap = text[last.end : begin][:WINDOW] if last else ""
        how = stand(beside, states)
        if how.strength < 2 and _is_quoted(quotes, text, begin, end):
            how = how.supposed()
        statement = Statement(tuple(group), alternatives[index], how, follows=bool(last) and left > sentence[0])
        found.append(_after_the_last(statement, found[-1] if found else None, beside, gap))
    return found


def _after_the_last(now: Statement, last: Statement | None, beside: Beside, gap: str) -> Statement:
    """`now` with what the statement before it and the `gap` between them say of it."""
    how = now.how
    if last and now.follows and last.standing is Standing.SUPPOSED:
        bare = how.standing is Standing.BARE and "," not in gap and not reservations.BREAKS.search(gap)
        how = how.supposed() if bare or _AGAIN.search(gap) else how
    if last and now.follows and last.standing is Standing.STATED and _THAN.fullmatch(beside.before):
        how = Stand(Standing.DENIED, how.hedged)
    if last and now.follows and reservations.ALIKE.search(beside.before):
        how = last.how
    explains = bool(_EXPLAINS.match(gap)) and not beside.ends
    explains |= bool(last and last.explains and not _EXPLAINED.search(gap))
    before, after = beside.before, beside.after
    part = bool(asides.PART.search(before) or asides.PART_AFTER.match(after))
    said_aside = asides.ASIDE.search(before) or asides.ASIDE_AFTER.match(after) or _OPENED.match(gap)
    cause = (how.clouded or not beside.words) and asides.CAUSE.search(before)
    return replace(
        now,
        how=how,
        reverses=bool(reservations.REVERSES.search(before)),
        part=part and bool(asides.DESCRIBES.match(after)),
        aside=bool(part or explains or said_aside or cause),
        explains=explains,
        continues=bool(last and last.standing is Standing.STATED and _GOES_ON.fullmatch(gap)),
    )


def _quotes(text: str) -> list[tuple[int, int]]:
    """[start, end) of what stands in quotation marks, unless that is all the text."""
    first = _SAYS.search(text)
    if not first:
        return []
    last = len(text) - next(i for i, each in enumerate(reversed(text)) if _SAYS.match(each))
    found = (match.span() for match in _QUOTE.finditer(text))
    return [(start, end) for start, end in found if start > first.start() or end < last]


def _is_quoted(quotes: Sequence[tuple[int, int]], text: str, start: int, end: int) -> bool:
    """Whether it stands in quotation marks among other words: somebody says so."""
    index = bisect_right(quotes, (start, len(text))) - 1
    if index < 0 or quotes[index][1] <= end:
        return False
    first, last = quotes[index]
    return bool(_SAYS.search(text[first:start]) or _SAYS.search(text[end:last]))


def _is_choice(text: str, start: int) -> bool:
    return bool(cues.BETWEEN.search(text, max(0, start - 24), start))


def _is_opposed(last: Statement, before: str) -> bool:
    """'I thought B, but C': what was supposed is given up."""
    return last.standing is Standing.SUPPOSED and bool(_BUT.match(before))


def _next_to(text: str, start: int, end: int) -> bool:
    """'Not C. D.': nothing but marks between a mention and the one before it."""
    return end - start < 40 and not any(each.isalnum() for each in text[start:end])


def _joined(text: str, gap: str, group: Sequence[Mention], mention: Mention) -> bool:
    if "," in gap and _is_choice(text, group[0].start):
        return False
    if len(gap) > 60 or not (cues.JOINS.match(gap) or _NEXT_ITEM.fullmatch(gap)):
        return False
    before, after = text[max(0, group[0].start - 40) : group[0].start], text[mention.end : mention.end + 40]
    plain_gap = not any(each.isalpha() for each in gap)
    stops = any(mark in gap for mark in ".;\n") or text[group[-1].end - 1] == "."
    # "B, A is wrong" and "B. A came second": the second one begins a clause of its own.
    if plain_gap and (cues.PREDICATE.match(after) or (stops and _GOES_ON_IN_SMALL.match(after))):
        return False
    if stops and not plain_gap and _GOES_ON_IN_SMALL.match(after):
        return False
    # "6 (2 on the left, 4 on the right)": what a bracket explains is no second answer.
    if gap.strip() == "(" and mention.value != group[-1].value:
        return False
    if stops and text[mention.start] == BOXED:
        return False
    # "Not 4, 5": the second one is meant. "I exclude A, C" denies both.
    if stops:
        return not (plain_gap and reservations.DENIES.search(before))
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
