"""The outer shape of a completion: thinking, answer block, further blocks.

Two readers with two purposes. `has_format` is strict and gives the format reward: exactly this shape, nothing
outside it. `answer_text` is lenient and feeds the parsers: what the model answered, wherever it put it.
Thinking is never read for an answer, so a model cannot collect by listing guesses there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Mode = Literal["think", "direct", "structured"]

_INNER = r"[^<]*(?:<(?!/?(?:think|answer|glue)>)[^<]*)*"

_THINK, _THOUGHT = re.compile(r"<think>", re.IGNORECASE), re.compile(r"</think>", re.IGNORECASE)
_BLOCKS = re.compile(r"</?(?:answer|glue)>", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """The text to read an answer from. `tagged` is False when the model wrote no block: then it is prose."""

    text: str
    tagged: bool


def request(answer: str, mode: Mode) -> str:
    """The end of a prompt: answer so. `answer` says what stands inside the tags, such as "number"."""
    return instruct(f"answer as <answer>{answer}</answer>", mode)


def instruct(what: str, mode: Mode) -> str:
    """What to do, as a sentence; in mode `think` after thinking.

    >>> instruct("answer in seconds", "direct")
    'Answer in seconds.'
    """
    if mode == "think":
        return f"First think it over inside <think> and </think>. Then {what}."
    return f"{what[0].upper()}{what[1:]}."


def wrap(answer: str, mode: Mode, thought: str, **blocks: str) -> str:
    """A completion in exactly the shape that `has_format` wants, with further blocks after the answer."""
    thinking = f"<think>{thought}</think>\n" if mode == "think" else ""
    rest = "".join(f"\n<{tag}>{text}</{tag}>" for tag, text in blocks.items())
    return f"{thinking}<answer>{answer}</answer>{rest}"


def has_format(text: str, mode: Mode, blocks: Sequence[str] = ()) -> bool:
    """True for <think>..</think><answer>..</answer> (`think`) or <answer>..</answer> alone (`direct`), then
    the further `blocks` in order. No part may be blank, hold another of these tags, or stand beside other
    text; white space between and around the parts is free.
    """
    pattern = r"\s*".join(f"<{tag}>({_INNER})</{tag}>" for tag in _parts(mode, blocks))
    match = re.fullmatch(rf"\s*{pattern}\s*", text)
    return match is not None and all(group.strip() for group in match.groups())


@dataclass(frozen=True)
class OffForm:
    """Where a completion leaves the asked shape. `stray`: [start, end) of texts beside the asked parts, in characters;
    `missing`: parts that are not there, are empty or stand in another place."""

    stray: tuple[tuple[int, int], ...] = ()
    missing: tuple[str, ...] = ()


def off_form(text: str, mode: Mode, blocks: Sequence[str] = ()) -> OffForm:
    """What `has_format` refuses, to be shown to a reader; nothing of a text that has the form.

    >>> off_form("It is <answer>A</answer>", "direct", ["glue"])
    OffForm(stray=((0, 5),), missing=('glue',))
    """
    at, gaps, missing = 0, [], []
    for tag in _parts(mode, blocks):
        found = re.compile(rf"<{tag}>({_INNER})</{tag}>").search(text, at)
        if found is None or not found[1].strip():
            missing.append(tag)
            continue
        gaps.append((at, found.start()))
        at = found.end()
    return OffForm(tuple(filled(text, [*gaps, (at, len(text))])), tuple(missing))


def filled(text: str, parts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """[start, end) of the parts that hold more than white space, without the white space around."""
    for start, end in parts:
        inside = text[start:end]
        if inside.strip():
            yield start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())


def _parts(mode: Mode, blocks: Sequence[str]) -> list[str]:
    return [*(["think"] if mode == "think" else []), "answer", *blocks]


def outside_thinking(text: str) -> str:
    """The text without its thinking, which runs from the first <think> to the last </think>.

    A closing tag without an opening one (the prompt opened it) starts the thinking at the beginning; an
    opening one that is never closed (cut off) takes everything after it.
    """
    opened = _THINK.search(text)
    closings = list(_THOUGHT.finditer(text))
    if not closings:
        return text[: opened.start()] if opened else text
    start = opened.start() if opened and opened.start() < closings[0].start() else 0
    before, after = text[:start], text[closings[-1].end() :]
    reopened = _THINK.search(after)
    return f"{before} {after[: reopened.start()] if reopened else after}"


def answer_text(text: str, tag: str = "answer") -> Block:
    """The last closed `tag` block outside the thinking; else what follows the last opening tag (a stop string
    or a cut may have taken the closing one); else the whole text outside the thinking, without tags.
    """
    visible = outside_thinking(text)
    content: str | None = None
    start = None
    for mark in _tags(tag).finditer(visible):
        if not mark[1]:
            start = mark.end()
        elif start is not None:
            content, start = visible[start : mark.start()], None
    if content is not None:
        return Block(content.strip(), tagged=True)
    if start is not None:
        return Block(visible[start:].strip(), tagged=True)
    return Block(_BLOCKS.sub(" ", visible).strip(), tagged=False)


@cache
def _tags(tag: str) -> re.Pattern[str]:
    return re.compile(rf"<(/?){re.escape(tag)}>", re.IGNORECASE)
