"""Who gives what only a reader can give: whether a caption entails an event, whether an answer is right.

`build_judge` makes one from a recipe's or a command's settings. A judge of your own is a class, or a function, that
takes the judge section and is named `module:object` or `file.py:object`.
"""

import inspect
from typing import TYPE_CHECKING, Any

from reeltune.errors import InputError
from reeltune.judges.base import Judge
from reeltune.registry import Registry

if TYPE_CHECKING:
    from reeltune.config.judge import JudgeConfig

__all__ = ["JUDGES", "TRANSCRIPT", "Judge", "build_judge"]

TRANSCRIPT = "judge-transcript.jsonl"
"""Where the replies of an endpoint are kept, in the folder of a run or an evaluation."""

JUDGES: "Registry[Any]" = Registry(
    "judge",
    {
        "openai": "reeltune.judges.chat:openai_judge",
        "recorded": "reeltune.judges.chat:recorded_judge",
        "events": "reeltune.judges.events:EventsJudge",
        "lexical": "reeltune.judges.lexical:LexicalJudge",
    },
)


def build_judge(config: "JudgeConfig") -> Judge | None:
    """The judge that the settings name; None for kind none.

    Raises InputError for an unknown kind, what is no judge, a missing key, transcript, prompt folder or model. Nothing
    is sent yet.
    """
    if config.kind == "none":
        return None
    factory = JUDGES.get(config.kind)
    if not callable(factory):
        raise InputError(f"judge.kind={config.kind!r}: must be a class or function that takes the judge section")
    try:
        inspect.signature(factory).bind(config)
    except TypeError:
        raise InputError(
            f"judge.kind={config.kind!r}: takes {inspect.signature(factory)}; it is called with only the judge section"
        ) from None
    if inspect.isabstract(factory):
        missing = ", ".join(sorted(factory.__abstractmethods__))
        raise InputError(f"judge.kind={config.kind!r}: the class lacks {missing}")
    judge = factory(config)
    if not isinstance(judge, Judge):
        raise InputError(f"judge.kind={config.kind!r}: returns a {type(judge).__name__}, not a reeltune Judge")
    return judge
