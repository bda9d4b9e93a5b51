"""Reward functions as people write them: three forms, each plain or async, told apart by their parameters.

    def f(sample, answer, text): ...              # one completion -> number or None
    def f(sample, answers, texts): ...            # a whole group -> list of them
    def f(completions, **columns): ...            # TRL's: a whole group, the sample's fields as lists -> list of them

`sample` is typed by its task, `answer` is what the task's reader read (`.value`, `.reason`), `text` the raw completion.
The form is found out before a model is loaded. Numbers may be NumPy's or torch's; None: does not apply.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from reeltune.errors import InputError, nearest, shown
from reeltune.event_loop import event_loop
from reeltune.registry import load_object
from reeltune.sample import Sample
from reeltune.tasks.base import Parsed

Form = Literal["completion", "group", "trl"]
FORMS = (
    "write f(sample, answer, text) -> float | None for one completion, f(sample, answers, texts) -> list for a group, "
    "or TRL's f(completions, **columns) -> list; each may be async"
)


@dataclass(frozen=True)
class RewardFunction:
    """A function of the user's with its form; `columns`: what TRL's form is given, None for all."""

    function: Callable[..., Any]
    form: Form
    columns: tuple[str, ...] | None = None

    def __call__(self, sample: Sample, answer: Parsed[Any], text: str) -> float | None:
        """The reward of one completion, here and now."""
        [value] = run_calls([Call("reward", self, sample, [answer], [text], prompt="")], concurrency=1)
        if isinstance(value, Exception):
            raise value
        return value[0]


@dataclass(frozen=True)
class Call:
    """One call: of a group form all completions of a sample, else one of them."""

    name: str
    function: RewardFunction
    sample: Sample
    answers: Sequence[Parsed[Any]]
    texts: Sequence[str]
    prompt: str

    def start(self) -> Any:
        """What the function returns: its value, or what is to be awaited for it."""
        call, form = self.function.function, self.function.form
        if form == "completion":
            return call(self.sample, self.answers[0], self.texts[0])
        if form == "group":
            return call(self.sample, list(self.answers), list(self.texts))
        names = self.function.columns
        values = {
            "prompts": self.prompt,
            **{name: getattr(self.sample, name) for name in type(self.sample).model_fields},
        }
        columns = {name: [value] * len(self.texts) for name, value in values.items() if names is None or name in names}
        return call(completions=list(self.texts), **columns)

    def read(self, value: Any) -> list[float | None]:
        """One number or None per completion. InputError for anything else."""
        if self.function.form == "completion":
            return [self._number(value)]
        values = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(values, list | tuple) or len(values) != len(self.texts):
            raise InputError(
                f"reward {self.name!r} of sample {self.sample.id!r} is {shown(value)}; a group reward function "
                f"must return a list with one number or None for each of the {len(self.texts)} completions"
            )
        return [self._number(each) for each in values]

    def _number(self, value: Any) -> float | None:
        """NumPy's and torch's scalars become Python's; whether it is finite is looked at where it is summed."""
        if hasattr(value, "item"):
            with contextlib.suppress(ValueError, RuntimeError):  # more than one number: told below
                value = value.item()
        if value is None or isinstance(value, int | float):
            return value
        raise InputError(
            f"reward {self.name!r} of sample {self.sample.id!r} is {shown(value)}; "
            "a reward must be a finite number, or None where it does not apply"
        )


def load_reward_function(spec: str, columns: Iterable[str] = ()) -> RewardFunction:
    """The function that "module:function" or "file.py:function" names; `columns`: the fields of the task's samples.

    InputError when there is none, and for parameters of none of the three forms.
    """
    return with_form(load_object(spec, kind="reward function"), spec, columns)


def with_form(function: Any, name: str, columns: Iterable[str] = ()) -> RewardFunction:
    """`load_reward_function` for the object itself."""
    if not callable(function) or inspect.isclass(function):
        raise InputError(f"reward function {name!r}: {shown(function)} is not a function; {FORMS}")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"reward function {name!r}: its parameters cannot be read; {FORMS}") from None
    if any(each.name == "completions" for each in parameters):
        return RewardFunction(function, "trl", _trl_columns(parameters, name, columns))
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    owed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(positional) < 3 or any(each not in positional[:3] for each in owed):
        raise InputError(f"reward function {name!r} takes {inspect.signature(function)}; {FORMS}")
    return RewardFunction(function, "group" if positional[2].name == "texts" else "completion")


def _trl_columns(parameters: list[inspect.Parameter], name: str, columns: Iterable[str]) -> tuple[str, ...] | None:
    known = ["prompts", *columns]
    for each in parameters:
        given = each.name == "completions" or each.name in known
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.default is each.empty and not given:
            raise InputError(
                f"reward function {name!r} wants the column {each.name!r}{nearest(each.name, known)}; "
                f"the columns are {', '.join(['completions', *known])}"
            )
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return tuple(each.name for each in parameters if each.name != "completions")


def run_calls(calls: Sequence[Call], *, concurrency: int) -> list[list[float | None] | Exception]:
    """The rewards of each call, in order, or what it raised. At most `concurrency` plain calls run at a time; async
    ones run in one event loop that lives as long as the process, at most as many of them.

    Raises InputError for a value that is no reward.
    """
    if concurrency == 1:
        return [_finished(call, lambda call=call: _settled(call.start())) for call in calls]  # type: ignore[misc]
    limit = asyncio.Semaphore(concurrency)
    pool = ThreadPoolExecutor(min(concurrency, max(len(calls), 1)), thread_name_prefix="reward")
    try:
        futures: list[Future[Any]] = [
            asyncio.run_coroutine_threadsafe(_awaited(call, limit), event_loop())
            if _is_async(call.function.function)
            else pool.submit(lambda call=call: _settled(call.start()))  # type: ignore[misc]
            for call in calls
        ]
        return [_finished(call, future.result) for call, future in zip(calls, futures, strict=True)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _finished(call: Call, result: Callable[[], Any]) -> list[float | None] | Exception:
    try:
        value = result()
    except InputError:
        raise
    except Exception as error:  # a fault of this sample: whoever asked counts it
        return error
    return call.read(value)


def _settled(value: Any) -> Any:
    """A plain function may still return an awaitable, as a lambda around an async one does."""
    if inspect.iscoroutine(value):
        return asyncio.run_coroutine_threadsafe(value, event_loop()).result()
    return value


async def _awaited(call: Call, limit: asyncio.Semaphore) -> Any:
    async with limit:
        return await call.start()


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
