"""The pieces a group is made of: one prompt, the features of its media, G completions.

Shape letters: P prompt tokens, C completion tokens, G completions per group, N vision tokens, H hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.video.clip import Clip

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""By the names that recipes call them."""


@dataclass(frozen=True)
class Message:
    """One turn: who speaks (system, user, assistant), what is said, and what is shown before it."""

    role: str
    text: str
    media: tuple[Clip, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """Media and a question, tokenized: `input_ids` [P] and M-RoPE `position_ids` [3, P], on the CPU.

    `media`: the videos and images, in the order in which their placeholders stand; none of a text alone. `text`: the
    rendered chat before its placeholders were expanded, which is what a server takes beside the media.
    """

    input_ids: Tensor
    position_ids: Tensor
    media: tuple[Clip, ...]
    text: str = ""

    def __len__(self) -> int:
        return int(self.input_ids.numel())

    @property
    def clip(self) -> Clip:
        """Its one video. InputError where it shows anything else."""
        if len(self.media) != 1 or self.media[0].is_image:
            raise InputError(f"exactly one video is needed; the prompt shows {len(self.media)} videos and images")
        return self.media[0]

    @property
    def next_position(self) -> int:
        """The position of the first completion token; vision grids make it less than P."""
        return int(self.position_ids.max()) + 1


@dataclass(frozen=True)
class VideoFeatures:
    """What the vision tower says of one video or image, or of all that a prompt shows, one after the other.

    `tokens` [N, H] replace the placeholders; each of `deepstack` [N, H] is added after one early layer.
    """

    tokens: Tensor
    deepstack: tuple[Tensor, ...] = ()

    @classmethod
    def join(cls, parts: Sequence["VideoFeatures"]) -> "VideoFeatures":
        """Of one prompt's media, at least one, in order."""
        if len(parts) == 1:
            return parts[0]
        layers = zip(*(part.deepstack for part in parts), strict=True)
        return cls(torch.cat([part.tokens for part in parts]), tuple(torch.cat(layer) for layer in layers))

    def detach(self) -> "VideoFeatures":
        return VideoFeatures(self.tokens.detach(), tuple(layer.detach() for layer in self.deepstack))

    def empty(self) -> "VideoFeatures":
        """None of its tokens, in its graph: what a prompt without media has."""
        return VideoFeatures(self.tokens[:0], tuple(layer[:0] for layer in self.deepstack))

    @property
    def nbytes(self) -> int:
        return sum(layer.numel() * layer.element_size() for layer in (self.tokens, *self.deepstack))


@dataclass(frozen=True)
class Completions:
    """G completions of one prompt: `ids` [G, C] padded on the right, `mask` [G, C] true on real tokens.

    The mask includes the end token when there is one.
    """

    ids: Tensor
    mask: Tensor

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]], pad: int = 0) -> "Completions":
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), pad, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[index, : len(row)] = True
        return cls(ids, mask)

    @classmethod
    def empty(cls) -> "Completions":
        """No completion: what a prompt has before its rollout."""
        ids = torch.zeros(0, 0, dtype=torch.long)
        return cls(ids, ids.bool())

    @property
    def lengths(self) -> list[int]:
        return [int(length) for length in self.mask.sum(1)]


class KeysValues(NamedTuple):
    """What a prompt leaves in an attention layer: `keys` and `values` [K, P, D]; of a routed layer P are the tokens it
    kept. Where the layer has a sliding `window` (a token sees itself and window - 1 before it), P is at most that."""

    keys: Tensor
    values: Tensor
    window: int | None = None


class Recurrent(NamedTuple):
    """What a prompt leaves in a gated delta net: the convolution's last inputs, `tail` [X, kernel - 1], and the
    recurrent `matrix` [heads, key size, value size], float32. Of several prompts or rows, with a first dimension."""

    tail: Tensor
    matrix: Tensor


LayerState = KeysValues | Recurrent


@dataclass(frozen=True)
class PromptState:
    """What a language model made of one prompt: the state of each of its `layers`, and `last` [H], the hidden state of
    its last token. In the graph where it was made with gradient: then it can be used for one update.
    """

    layers: tuple[LayerState, ...]
    last: Tensor


@dataclass(eq=False)
class Group:
    """The unit of work as the model sees it: one prompt, its media once, its G completions.

    `state`: the prompt as the rollout computed it, where the update may go on from there.
    """

    prompt: Prompt
    features: VideoFeatures
    completions: Completions = field(default_factory=lambda: Completions.empty())
    state: PromptState | None = None
