"""The rollout engine on stock transformers: prefill each prompt once, decode all completions over it together.

Left out on purpose: paged caches and continuous batching; another engine brings them behind the same protocol.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reeltune.distributed.shard import gathered
from reeltune.models.logits import policy_logits
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.decoding import Decoder
from reeltune.models.shared_prefix.row import pack, prefill
from reeltune.models.types import Completions, Group, PromptState
from reeltune.rollout.engine import Request, Rollout, SamplingParams, Weights
from reeltune.rollout.sampling import draw

LOOK_EVERY = 16
"""Tokens between two looks at a GPU for rows that have ended: a look waits until the device has come so far."""


class HFEngine:
    """Decodes with the trainer's own weights; passes hold at most `token_budget` tokens of cache.

    `look_every`: tokens between two looks for rows that have ended; None: 1 on a CPU, LOOK_EVERY on a GPU.
    """

    def __init__(self, policy: Policy, *, token_budget: int = 65536, look_every: int | None = None) -> None:
        self.policy = policy
        self.look_every = look_every
        self.token_budget = token_budget
        self.version = 0

    def start(self) -> None:
        """Nothing to do: the policy is loaded."""

    def sync(self, weights: Weights, version: int) -> None:
        """The weights are the learner's own; only their version is noted."""
        self.version = version

    def close(self) -> None:
        """Nothing to give back: the policy is the learner's."""

    @torch.no_grad()
    def generate(
        self, requests: Sequence[Request], group_size: int, params: SamplingParams, *, keep_graph: bool = False
    ) -> list[Rollout]:
        with gathered(self.policy):
            return self._generate(requests, group_size, params, keep_graph=keep_graph)

    def _generate(
        self, requests: Sequence[Request], group_size: int, params: SamplingParams, *, keep_graph: bool
    ) -> list[Rollout]:
        was_training = self.policy.training
        # Gradient checkpointing drops the cache in training mode; a rollout needs it.
        self.policy.eval()
        try:
            shape = torch.zeros(group_size, params.max_new_tokens, dtype=torch.long)
            room = Completions(shape, shape.bool())
            groups = [Group(request.prompt, request.features, room) for request in requests]
            rollouts: dict[int, Rollout] = {}
            for indices in pack(groups, self.token_budget):
                members = [groups[index] for index in indices]
                seeds = [requests[index].seed for index in indices]
                found = self._one_pass(members, seeds, group_size, params, keep_graph=keep_graph)
                rollouts.update(zip(indices, found, strict=True))
            return [rollouts[index] for index in range(len(requests))]
        finally:
            self.policy.train(was_training)

    def _one_pass(
        self, groups: list[Group], seeds: list[int], group_size: int, params: SamplingParams, *, keep_graph: bool
    ) -> list[Rollout]:
        states = self._with_graph(groups) if keep_graph else prefill(self.policy, groups)
        last = torch.stack([state.last for state in states])
        decoder = Decoder(states, group_size)
        # The decoder has a cache of its own; only an update to come needs the prompts' too.
        kept = states if keep_graph else [None] * len(states)
        del states
        found = self._decode(groups, last, decoder, seeds, group_size, params)
        return [replace(rollout, state=state, version=self.version) for rollout, state in zip(found, kept, strict=True)]

    def _with_graph(self, groups: list[Group]) -> list[PromptState]:
        """Each prompt in a graph of its own, so that a group without signal costs no backward pass."""
        # Weights that autocast has cast without gradient before would keep theirs from this graph.
        torch.clear_autocast_cache()
        with torch.enable_grad():
            return [state for group in groups for state in prefill(self.policy, [group])]

    def _decode(
        self,
        groups: list[Group],
        last: Tensor,
        decoder: Decoder,
        seeds: list[int],
        group_size: int,
        params: SamplingParams,
    ) -> list[Rollout]:
        """`last` [B, H]: the hidden states of the prompts' last tokens. Rows: G completions of each group, in order."""
        policy, device = self.policy, self.policy.device
        # 1. All rows of a group begin at the same hidden state and position; only their random numbers differ. These
        #    are drawn beforehand, so that what a row gets does not depend on which rows still run beside it.
        hidden = last.repeat_interleave(group_size, dim=0)
        positions = torch.tensor([group.prompt.next_position for group in groups], device=device)
        positions = positions.repeat_interleave(group_size)
        uniforms = _uniforms(seeds, group_size, params.max_new_tokens).to(device)
        stop = torch.tensor(policy.stop_ids, device=device)

        # 2. Of all rows: what is returned. `alive` [rows in the batch]: which of them each row of the batch is;
        #    `running`: whether it has not ended. They differ because rows leave only now and then (3).
        rows = len(groups) * group_size
        ids = torch.zeros(rows, params.max_new_tokens, dtype=torch.long, device=device)
        log_probs = torch.zeros(rows, params.max_new_tokens, device=device)
        lengths = torch.zeros(rows, dtype=torch.long, device=device)
        alive = torch.arange(rows, device=device)
        running = torch.ones(rows, dtype=torch.bool, device=device)
        look_every = self.look_every or (1 if device.type == "cpu" else LOOK_EVERY)
        for step in range(params.max_new_tokens):
            # The log-probs are those of the whole distribution, which training compares with; top-k and top-p act in
            # `draw` alone.
            logits = policy_logits(policy.head(hidden), banned=policy.banned, temperature=params.temperature)
            distribution = logits.log_softmax(-1)
            tokens = draw(distribution, uniforms[alive, step], params)
            # What rows that have ended draw until they leave is not theirs.
            ids[alive, step] = tokens * running
            log_probs[alive, step] = distribution.gather(-1, tokens[:, None])[:, 0].where(running, 0.0)
            lengths.index_add_(0, alive, running.long())
            running = running & ~torch.isin(tokens, stop)
            if step + 1 == params.max_new_tokens:
                break
            if (step + 1) % look_every == 0 and not bool(running.all()):
                # 3. Finished rows leave the batch, so a long completion does not keep short ones decoding. On a GPU
                #    only every `look_every` steps: looking waits for all that is queued there.
                kept = running.nonzero()[:, 0]
                if not len(kept):
                    break
                decoder.keep(kept)
                alive, tokens, positions, running = (each[kept] for each in (alive, tokens, positions, running))
            hidden = policy.decode(tokens, positions + step, decoder)
            decoder.step()
        return self._collect(ids.cpu(), log_probs.cpu(), lengths.cpu(), group_size)

    def _collect(self, ids: Tensor, log_probs: Tensor, lengths: Tensor, group_size: int) -> list[Rollout]:
        stop = torch.tensor(self.policy.stop_ids)
        rollouts = []
        for rows in torch.arange(len(ids)).split(group_size):
            width = int(lengths[rows].max())
            mask = torch.arange(width) < lengths[rows, None]
            stopped = torch.isin(ids[rows, lengths[rows] - 1], stop)
            texts = [
                self.policy.tokenizer.decode(ids[row, : lengths[row] - int(ends)], skip_special_tokens=False)
                for row, ends in zip(rows.tolist(), stopped.tolist(), strict=True)
            ]
            completions = Completions(ids[rows, :width], mask)
            rollouts.append(Rollout(completions, log_probs[rows, :width], ~stopped, texts))
        return rollouts


def _uniforms(seeds: Sequence[int], group_size: int, length: int) -> Tensor:
    """[len(seeds) * group_size, length] uniform numbers; each seed's block depends on that seed alone."""
    blocks = [
        torch.rand(group_size, length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ]
    return torch.cat(blocks)
