"""The pieces of p-MoD that are plain functions of tensors: which tokens can be routed, their weights, who is kept.

Shape letters: R rows, L tokens of a row, V routable vision tokens of all rows together, S samples, H hidden size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.config.mixture_of_depths import Weight
from reeltune.models.mixture_of_depths.schedule import kept_count


@dataclass(frozen=True)
class Routing:
    """What one forward pass tells every routed layer, made once from its inputs; layers do not change it.

    `vision` [V]: flat indices (row * L + token) of the tokens that may be skipped, ascending; `sample` [V]: the
    sample each belongs to, 0..S-1, never falling; `counts` [S] and `rows` [S]: each sample's tokens, and its row.
    `real` [R, L]: false at padding; None where there is none. `lengths` [R]: real tokens per row.
    `custom_mask`: attention goes by a 4-D mask that the caller gave.
    """

    vision: Tensor
    sample: Tensor
    counts: tuple[int, ...]
    rows: tuple[int, ...]
    real: Tensor | None
    lengths: tuple[int, ...]
    custom_mask: bool = False

    @classmethod
    def of(
        cls, vision_samples: Tensor | None, shape: torch.Size, real: Tensor | None, *, custom_mask: bool
    ) -> "Routing":
        """Reads the pass's inputs. `vision_samples` [R, L]: a sample's number at its vision tokens, -1 elsewhere.

        The numbers are any integers that never fall along a row and are not shared between rows. This is the one
        place where sizes come back from the device.
        """
        rows, length = shape[0], shape[1]
        if real is not None and bool(real.all()):
            real = None
        lengths = tuple([length] * rows if real is None else real.sum(1).tolist())
        # A pass of one token is a decoding step: it is never routed, whatever token was sampled.
        if vision_samples is None or length == 1 or not bool((vision_samples >= 0).any()):
            empty = torch.zeros(0, dtype=torch.long)
            return cls(empty, empty, (), (), real, lengths, custom_mask)
        flat = vision_samples.flatten()
        vision = (flat >= 0).nonzero()[:, 0]
        _, sample, counts = torch.unique_consecutive(flat[vision], return_inverse=True, return_counts=True)
        firsts = counts.cumsum(0) - counts
        return cls(
            vision,
            sample,
            tuple(counts.tolist()),
            tuple((vision[firsts] // length).tolist()),
            real,
            lengths,
            custom_mask,
        )

    def quotas(self, ratio: float) -> list[int]:
        """How many vision tokens of each sample a layer of this ratio keeps."""
        return [kept_count(count, ratio) for count in self.counts]

    def kept_lengths(self, quotas: list[int]) -> list[int]:
        """Tokens of each row that a layer processes: its text and its kept vision tokens."""
        lengths = list(self.lengths)
        for row, count, quota in zip(self.rows, self.counts, quotas, strict=True):
            lengths[row] -= count - quota
        return lengths


def tanh_norm(logits: Tensor, alpha: float) -> Tensor:
    """TanhNorm: weights 1 + alpha * tanh(logit), within alpha of 1; exactly 1 where the logit is 0."""
    return 1 + alpha * torch.tanh(logits)


def softmax_weight(logits: Tensor, sample: Tensor, samples: int) -> Tensor:
    """Ablation: a softmax over each sample's vision tokens. `logits` and `sample` [V]."""
    peak = torch.full((samples,), float("-inf"), dtype=logits.dtype, device=logits.device)
    peak = peak.scatter_reduce(0, sample, logits.detach(), "amax")
    exp = (logits - peak[sample]).exp()
    total = torch.zeros(samples, dtype=logits.dtype, device=logits.device).scatter_add(0, sample, exp)
    return exp / total[sample]


def router_weights(kind: Weight, logits: Tensor, alpha: float, routing: Routing) -> Tensor:
    """Weights [V] of the routable tokens from their logits [V]."""
    if kind == "tanh":
        return tanh_norm(logits, alpha)
    if kind == "sigmoid":
        return torch.sigmoid(logits)
    return softmax_weight(logits, routing.sample.to(logits.device), len(routing.counts))


def string_skipped(hidden: Tensor, weights: Tensor) -> Tensor:
    """STRing, symmetric token reweighting: what skips the layer carries its weight too, w * x.

    So the router learns from the tokens it drops as well. `hidden` [R, L, H], `weights` [R, L, 1], 1 at text. The
    one-sided ablation leaves skipped tokens as they are.
    """
    return hidden * weights


def kept_vision(logits: Tensor, routing: Routing, quotas: list[int]) -> Tensor:
    """Bool [V]: true at each sample's `quota` largest logits; equal logits are kept in the order of the tokens.

    One choice per sample, over all its frames. No size depends on a value, so no device waits for another.
    """
    by_logit = logits.detach().argsort(descending=True, stable=True)
    # A second stable sort brings the samples together and keeps the order of logits within each.
    order = by_logit[routing.sample[by_logit].argsort(stable=True)]
    counts = torch.tensor(routing.counts, device=logits.device)
    place = torch.arange(len(logits), device=logits.device) - (counts.cumsum(0) - counts)[routing.sample]
    within = place < torch.tensor(quotas, device=logits.device)[routing.sample]
    return torch.zeros_like(within).scatter(0, order, within)


@dataclass(frozen=True)
class Selection:
    """The tokens one layer processes, as rows of one width N: unequal rows are left-padded.

    `slots` [R, N]: positions in the row, ascending among the kept; `real` [R, N]: false at filled slots, None
    where there are none; `source` and `kept` [K]: the flat slot and the flat position of each kept token.
    """

    slots: Tensor
    real: Tensor | None
    source: Tensor | None
    kept: Tensor

    @classmethod
    def of(cls, kept: Tensor, lengths: list[int]) -> "Selection":
        """`kept` bool [R, L] with `lengths` true values per row."""
        rows, length = kept.shape
        width = max(lengths)
        # A stable sort moves the kept tokens to the end of each row and leaves their order alone.
        slots = kept.int().argsort(dim=1, stable=True)[:, length - width :]
        offsets = torch.arange(rows, device=kept.device)[:, None] * length
        if min(lengths) == width:
            return cls(slots, None, None, (slots + offsets).flatten())
        filled = width - torch.tensor(lengths, device=kept.device)
        real = torch.arange(width, device=kept.device) >= filled[:, None]
        # The number of real slots is known here: no wait for the device on account of nonzero.
        source = real.flatten().int().argsort(descending=True, stable=True)[: sum(lengths)]
        return cls(slots, real, source, (slots + offsets).flatten()[source])

    def gather(self, values: Tensor) -> Tensor:
        """[R or 1, L, ...] -> [R, N, ...]."""
        rows, width = self.slots.shape
        length = values.shape[1]
        values = values.expand(rows, *values.shape[1:])
        offsets = torch.arange(rows, device=values.device)[:, None] * length
        picked = values.reshape(rows * length, *values.shape[2:]).index_select(0, (self.slots + offsets).flatten())
        return picked.reshape(rows, width, *values.shape[2:])

    def put_back(self, into: Tensor, values: Tensor) -> Tensor:
        """A copy of `into` [R, L, H] with the kept tokens' `values` [R, N, H] at their places."""
        flat = values.flatten(0, 1)
        flat = flat if self.source is None else flat.index_select(0, self.source)
        return into.flatten(0, 1).index_copy(0, self.kept, flat).view_as(into)

    def mask(self, mask: Tensor) -> Tensor:
        """The part of a 4-D mask [R or 1, heads, L, L] that the kept tokens see: [R, heads, N, N]."""
        rows, width = self.slots.shape
        heads, length = mask.shape[1], mask.shape[-1]
        mask = mask.expand(rows, -1, -1, -1)
        queries = self.slots[:, None, :, None].expand(-1, heads, -1, length)
        keys = self.slots[:, None, None, :].expand(-1, heads, width, -1)
        return mask.gather(2, queries).gather(3, keys)
