"""What a rollout engine is: prompts in, groups of completions out, repeatable from a seed.

Shape letters: G completions per group, C completion tokens.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from reeltune.models.types import Completions, Prompt, PromptState, VideoFeatures


@dataclass(frozen=True)
class SamplingParams:
    """How completions are drawn. `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 cut nothing."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 1024


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
    in the graph, where that was asked for and the engine computes with the learner's own weights.
    """

    completions: Completions
    log_probs: Tensor
    truncated: Tensor
    texts: list[str]
    state: PromptState | None = None


class RolloutEngine(Protocol):
    """Samples `group_size` completions of every request; the answer keeps the order of the requests.

    What is drawn for a request depends on its prompt and seed alone, never on the requests beside it. With `keep_graph`
    an engine that can leaves each prompt's state in the rollout, for one update to go on from.
    """

    def generate(
        self, requests: Sequence[Request], group_size: int, params: SamplingParams, *, keep_graph: bool = False
    ) -> list[Rollout]: ...


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from its parts; the same on every machine and process."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
