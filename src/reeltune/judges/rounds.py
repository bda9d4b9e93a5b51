"""Many judgments in few requests: each is written as a generator, all of them are asked together, round by round.

    def judgment(...):
        answers = yield [Grading(...), ...]     # one answer per question, None where the judge gave none
        return ...

What one judgment asks waits for all others of its round, so a step's groups reach `judge.concurrency` together.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar, cast

from reeltune.judges.base import Judge, Progress
from reeltune.judges.questions import Question

T = TypeVar("T")
Judgment = Generator[Sequence[Question[Any]], list[Any], T]
"""Yields the questions of a round, is sent their answers in order, returns what it makes of them."""


def ask_together(judge: Judge, judgments: Sequence[Judgment[T]], progress: Progress | None = None) -> list[T]:
    """What each judgment returns, in order: one `judge.ask` a round, with the questions of all."""
    results: list[T | None] = [None] * len(judgments)
    waiting: dict[int, Sequence[Question[Any]]] = {}
    for index, judgment in enumerate(judgments):
        _go_on(judgment, None, index, waiting, results)
    while waiting:
        asked = [question for questions in waiting.values() for question in questions]
        answers = iter(judge.ask(asked, progress) if asked else [])
        round_, waiting = waiting, {}
        for index, questions in round_.items():
            _go_on(judgments[index], [next(answers) for _ in questions], index, waiting, results)
    return cast(list[T], results)


def first_questions(judgment: Judgment[Any]) -> Sequence[Question[Any]]:
    """What a judgment asks first; nothing for one that asks nothing. It is not gone on with."""
    asked = next(judgment, ())
    judgment.close()
    return asked


def _go_on(
    judgment: Judgment[T],
    answers: list[Any] | None,
    index: int,
    waiting: dict[int, Sequence[Question[Any]]],
    results: list[T | None],
) -> None:
    try:
        waiting[index] = next(judgment) if answers is None else judgment.send(answers)
    except StopIteration as end:
        results[index] = end.value
