"""What a rollout engine is: prompts in, groups of completions out, repeatable from a seed.

Shape letters: G completions per group, C completion tokens.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from reeltune.models.types import Completions, Prompt, PromptState, VideoFeatures

Weights = Callable[[], Iterable[tuple[str, Tensor]]]


@dataclass(frozen=True)
class SamplingParams:
    """How completions are drawn. `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 cut nothing."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 1024
    banned: tuple[int, ...] = ()
    """Tokens that must not be drawn, placeholders of videos above all."""


@dataclass(frozen=True)
class Request:
    """One group to sample: the prompt, its video's features, and the seed of its own random numbers."""

    prompt: Prompt
    features: VideoFeatures
    seed: int


@dataclass(frozen=True)
class Rollout:
    """G completions of one prompt.

    `log_probs` [G, C]: of each sampled token under the full tempered policy, before top-p and top-k cut it.
    `truncated` [G]: the token budget ended it, not a stop token. `texts`: without the end token. `state`: the prompt
    in the graph, where that was asked for and the engine computes with the learner's own weights. `version`: of the
    weights that it was sampled with, as `sync` was told.
    """

    completions: Completions
    log_probs: Tensor
    truncated: Tensor
    texts: list[str]
    state: PromptState | None = None
    version: int = 0


class Unanswered(Exception):
    """Some requests of a `generate` will never be answered: why, by index; and what the others were answered.

    Whoever asked sets their samples aside, and goes on.
    """

    def __init__(self, reasons: Mapping[int, str], found: Mapping[int, Rollout]) -> None:
        super().__init__(f"{len(reasons)} requests without an answer; the first: {next(iter(reasons.values()))}")
        self.reasons, self.found = reasons, found


class RolloutEngine(Protocol):
    """Samples completions. Call `start`, then alternate `sync` and `generate`, then `close`.

    An engine that computes elsewhere with its own copy of the weights can set an attribute `beside` to true, and
    report the faults that it recovered from in `counts()`: see `computes_beside`, `faults_of`.

    A request contains everything a server needs: the prompt's text before its placeholder is expanded, its ids after
    that, the clip with its times, the features, a seed.
    """

    def start(self) -> None:
        """Load, connect and compare with the learner. Raises InputError if rollouts could not be trusted."""

    def sync(self, weights: Weights, version: int) -> None:
        """Use these weights of the learner from now on, as `version`.

        `weights()` yields (name, tensor) of every parameter; an engine that shares the learner's memory never calls
        it.
        """

    def generate(
        self, requests: Sequence[Request], group_size: int, params: SamplingParams, *, keep_graph: bool = False
    ) -> list[Rollout]:
        """Sample `group_size` completions per request, in the order of the requests.

        The completions of a request depend only on its prompt and seed, never on the other requests. Raises
        `Unanswered` for requests that cannot be answered, such as one that crashes the servers. With `keep_graph`, an
        engine that supports it keeps each prompt's state in the rollout, so that one update can continue from it.
        """
        ...

    def close(self) -> None:
        """Release all resources. Called once, also after a failure."""


def answers(
    engine: RolloutEngine, requests: Sequence[Request], group_size: int, params: SamplingParams
) -> list[Rollout | str]:
    """As `generate`, with the reason in place of a rollout that there will never be."""
    try:
        return list(engine.generate(requests, group_size, params))
    except Unanswered as error:
        return [error.found.get(index) or error.reasons[index] for index in range(len(requests))]


def computes_beside(engine: RolloutEngine) -> bool:
    """Whether rollouts may run while the learner updates."""
    return bool(getattr(engine, "beside", False))


def faults_of(engine: RolloutEngine) -> dict[str, float]:
    """What went wrong and was set right since this was last asked, by name."""
    counts: Callable[[], dict[str, float]] = getattr(engine, "counts", dict)
    return counts()


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from its parts; the same on every machine and process."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
