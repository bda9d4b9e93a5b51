"""New weights for servers: written by all processes together, then three calls by one of them: pause, load, resume.

A way of publishing says what is written, and how a server loads it; everything else is the same for all of them. The
order of the calls is what keeps a server from ever answering with weights other than it says: its version changes after
everything of the old weights is gone and the new ones were compared, and a server that fails in between keeps a version
that nobody asks for.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from reeltune.distributed.world import World
from reeltune.files import remove_folder, whole_folder
from reeltune.models.adapter_folder import save_adapter
from reeltune.models.policy import Policy
from reeltune.rollout.engine import Weights
from reeltune.rollout.server import Down, Server


class Publishing(Protocol):
    """One way for weights to reach servers."""

    def write(self, policy: Policy, folder: Path, *, main: bool) -> None:
        """Called by every process: gathering weights takes all of them. One of them writes."""

    def load(self, server: Server, folder: Path) -> None:
        """Let a paused server take what was written."""


class Whole:
    """The whole model as files, an adapter merged in."""

    def write(self, policy: Policy, folder: Path, *, main: bool) -> None:
        policy.save(folder, write=main)

    def load(self, server: Server, folder: Path) -> None:
        server.load_model(str(folder.absolute()))


class AdapterAlone:
    """The adapter's files, over the base that the server was started with."""

    def write(self, policy: Policy, folder: Path, *, main: bool) -> None:
        save_adapter(policy, folder, write=main)

    def load(self, server: Server, folder: Path) -> None:
        server.load_adapter(str(folder.absolute()))


DTYPES = {"float32": (torch.float32, torch.int32), "bfloat16": (torch.bfloat16, torch.int16)}
WAYS: dict[str, type[Publishing]] = {"disk": Whole, "lora": AdapterAlone}


@dataclass
class Publisher:
    """Writes versions into `root` and brings servers to the newest one; an older one is removed when it is written.

    `name` is what servers call the version: it names the run too, whose weights are others at the same step.
    """

    way: Publishing
    policy: Policy
    root: Path
    run: str
    world: World
    compares: bool = True
    name: str = ""
    folder: Path = Path()
    sums: dict[str, str] = field(default_factory=dict)
    elements: int = 0
    notes: set[str] = field(default_factory=set)

    def write(self, weights: Weights, version: int) -> None:
        """Every process calls it, and goes on when all is written: a server is spoken to only after that."""
        folder, before = self.root / f"version-{version:06d}", self.folder
        main = self.world.is_main
        if main:
            with whole_folder(folder) as partial:
                self.way.write(self.policy, partial, main=True)
        else:
            self.way.write(self.policy, folder, main=False)
        if self.compares:
            self.sums = bit_sums(weights())
            self.elements = sum(tensor.numel() for _, tensor in self.policy.named_weights())
        self.name, self.folder = f"{self.run}-{version}", folder
        if main and before != Path() and before != folder and before.exists():
            remove_folder(before)
        self.world.wait()

    def prepare(self, server: Server) -> None:
        """Bring a server to the newest version; Down where that fails. The other processes only look."""
        if server.weights() == self.name:
            return
        if not self.world.is_main:
            raise Down(server.url, "publishing", "the main process has not published to it yet")
        server.pause()
        self.way.load(server, self.folder)
        if self.compares:
            self.compare(server)
        server.call_it(self.name)
        server.resume()

    def compare(self, server: Server) -> None:
        """Down where a server holds other weights than the learner. With several workers or types of numbers that
        cannot be told from one sum: it is said once, and the log-probs of every step are left to show it."""
        rows = server.weight_sum()
        if len(rows) != 1 or len(rows[0]["dtypes"]) != 1 or rows[0]["dtypes"][0] not in self.sums:
            self.notes.add(
                f"{server.url} has {len(rows)} workers or several data types: weights cannot be compared by checksum"
            )
            return
        if rows[0].get("elements", 0) < self.elements:
            # Its kernels keep weights in a packing of their own, as vLLM's do on a CPU.
            self.notes.add(
                f"{server.url} stores its weights in another form: no checksum, so the log-probs are the check"
            )
            return
        [dtype] = rows[0]["dtypes"]
        if rows[0]["sum"] != self.sums[dtype]:
            raise Down(
                server.url,
                "publishing, checksum",
                f"its weights have the checksum {rows[0]['sum']} in {dtype}, the learner's have {self.sums[dtype]}",
            )

    def clear(self) -> None:
        if self.world.is_main and self.root.exists():
            shutil.rmtree(self.root)


def bit_sums(weights: Iterable[tuple[str, Tensor]]) -> dict[str, str]:
    """dtype -> the sum of all weights' bits in it, read as integers, modulo 2^64: see `vllm_plugin.Worker`."""
    totals = dict.fromkeys(DTYPES, 0)
    for _, tensor in weights:
        for name, (dtype, bits) in DTYPES.items():
            totals[name] += int(tensor.to(dtype).contiguous().view(bits).sum(dtype=torch.int64))
    return {name: str(total % 2**64) for name, total in totals.items()}
