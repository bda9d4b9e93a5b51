"""Where the pieces of a row stand, and completions of several lengths as rows of one width.

Shape letters: R completions, C tokens of the longest, D head size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def spans(start: int, lengths: Sequence[int]) -> list[slice]:
    """Pieces of these `lengths`, one after the other from `start` on."""
    found = []
    for length in lengths:
        found.append(slice(start, start + length))
        start += length
    return found


class Padding:
    """Completions of several lengths, one after the other, as rows of equal width and back."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.rows = len(lengths)
        self.width = max(lengths)
        self.slots: Tensor | None = None
        if min(lengths) < self.width:
            sizes = torch.tensor(lengths)
            place = torch.arange(self.width)
            starts = sizes.cumsum(0) - sizes
            # Filled places repeat the row's last token: causal attention keeps them from everyone before.
            self.slots = (starts[:, None] + torch.minimum(place, sizes[:, None] - 1)).flatten()
            self.real = (place < sizes[:, None]).flatten().nonzero()[:, 0]

    def split(self, tokens: Tensor) -> Tensor:
        """[heads, tokens, ...] -> [R, heads, C, ...]."""
        if self.slots is not None:
            tokens = tokens.index_select(1, self.slots.to(tokens.device))
        rows: Tensor = tokens.unflatten(1, (self.rows, self.width))
        return rows.transpose(0, 1)

    def join(self, rows: Tensor) -> Tensor:
        """[R, heads, C, ...] -> [heads, tokens, ...]."""
        tokens = rows.transpose(0, 1).flatten(1, 2)
        return tokens if self.slots is None else tokens.index_select(1, self.real.to(tokens.device))

    def without_filled(self, rows: Tensor) -> Tensor:
        """`rows` [R, heads, C, D] with 0 at the filled places."""
        if self.slots is None:
            return rows
        real = rows.new_zeros(self.rows * self.width).index_fill_(0, self.real.to(rows.device), 1)
        return rows * real.view(self.rows, 1, self.width, 1)
