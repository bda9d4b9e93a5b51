"""A judge answers questions about texts; who it is and how it fared go into every result file.

A judge is asked many questions at once and may work on them concurrently. One that it could not answer is None:
callers leave it out and count it, it is never a zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from reeltune.judges.questions import Question

if TYPE_CHECKING:
    from reeltune.config.judge import JudgeConfig

A = TypeVar("A")
Progress = Callable[[int], object]


@dataclass
class Counts:
    """What a judge did so far. `calls`: requests that were answered over the network; `cache_hits`: answers that were
    given before; `retries`: requests sent again; `rejected`: replies that broke the asked form; `failures`:
    questions that got no answer. Tokens as the endpoint reports them."""

    questions: int = 0
    calls: int = 0
    cache_hits: int = 0
    retries: int = 0
    rejected: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Cost:
    """What questions will cost at most: requests, tokens sent, tokens that may come back; `free`: known already."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    free: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.free + other.free,
        )

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __str__(self) -> str:
        return (
            f"at most {self.calls:,} calls, about {self.prompt_tokens:,} tokens sent and up to "
            f"{self.completion_tokens:,} back ({self.free:,} answers known already); "
            "what is asked again, for a reply in a wrong form, comes on top"
        )


class Judge(ABC):
    """`kind` is the name in a recipe. `proxy`: a stand-in, whose scores never get the name of a benchmark."""

    kind: ClassVar[str]
    proxy: ClassVar[bool] = False
    proxy_note: ClassVar[str] = "a proxy, not a judge"
    """What a proxy's numbers are, beside their names in a table."""

    def __init__(self, config: "JudgeConfig | None" = None) -> None:
        """`config`: the recipe's judge section, where a recipe names the judge."""
        self.config = config
        self.counts = Counts()

    @abstractmethod
    def ask(self, questions: Sequence[Question[A]], progress: Progress | None = None) -> list[A | None]:
        """One answer per question, in order; None if the judge gave none."""

    def known(self, question: Question[A]) -> A | None:
        """The answer if it is already known and therefore free; sends no request and counts nothing."""
        return None

    @property
    def label(self) -> str:
        """Who judged, for the printed names of metrics."""
        return self.kind

    def identity(self) -> dict[str, Any]:
        """What a result must record to be comparable."""
        return {"judge": self.kind}

    def record(self) -> dict[str, Any]:
        """Identity and counts for the result file."""
        return {**self.identity(), **asdict(self.counts)}

    def cost(self, questions: Sequence[Question[Any]]) -> Cost:
        """An upper bound on the cost, before any request; judges that need no network are free."""
        return Cost()


class RuleJudge(Judge):
    """A judge that answers by rule, at once and always."""

    def ask(self, questions: Sequence[Question[A]], progress: Progress | None = None) -> list[A | None]:
        self.counts.questions += len(questions)
        answers: list[A | None] = [self.answer(question) for question in questions]
        if progress:
            progress(len(questions))
        return answers

    @abstractmethod
    def answer(self, question: Question[A]) -> A:
        """Raises InputError for a question that the rules do not cover."""
