"""What a run must say of itself: nothing is readable, all is cut off, no group is informative, the policy collapses.

A pure function of the metrics, so that a resumed run says the same as one that was never stopped.
"""

import math
from collections import deque
from collections.abc import Mapping
from statistics import fmean

from reeltune.config.recipe import WatchConfig
from reeltune.errors import InputError

MOSTLY = 0.9
COLLAPSED = {"nll": 0.01, "reward": 0.5}


class Watch:
    """Looks back on the last `every` steps. A warning is given once and again after it had gone."""

    def __init__(self, config: WatchConfig, *, groups: int, max_new_tokens: int) -> None:
        self.config = config
        self.groups = groups
        self.max_new_tokens = max_new_tokens
        self._rows: deque[Mapping[str, float]] = deque(maxlen=config.every)
        self._first_reward: float | None = None
        self._best_reward = -math.inf
        self._given: set[str] = set()
        self._dead = 0

    def observe(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """The warnings that step `step` (from 1) brings. InputError after `stop_after` steps from which nothing could
        be learned."""
        if "unparsed" not in metrics:  # supervised steps have no rollouts
            return []
        self._rows.append(metrics)
        found: dict[str, str] = {}
        if len(self._rows) == self.config.every:
            found = self.standing()
            reward = self._mean().get("reward")
            if reward is not None:
                self._first_reward = reward if self._first_reward is None else self._first_reward
                self._best_reward = max(self._best_reward, reward)
        new = [text for name, text in found.items() if name not in self._given]
        self._given = set(found)
        self._dead = self._dead + 1 if self._is_uninformative(metrics) else 0
        if self.config.stop_after and self._dead >= self.config.stop_after:
            told = "; ".join(self.standing().values())
            raise InputError(
                f"step {step}: no completion of the last {self._dead} steps gave a learning signal: {told}. "
                "watch.stop_after sets after how many such steps a run stops (0: never)"
            )
        return new

    def _is_uninformative(self, metrics: Mapping[str, float]) -> bool:
        # With a KL term the weights move on without any reward.
        flat = metrics.get("groups_without_signal", 0.0) >= self.groups and "kl" not in metrics
        return flat or metrics["unparsed"] >= 1.0 or metrics["truncated"] >= 1.0

    def _mean(self) -> dict[str, float]:
        names = dict.fromkeys(name for row in self._rows for name in row)
        return {name: fmean(row[name] for row in self._rows if name in row) for name in names}

    def standing(self) -> dict[str, str]:
        """What is wrong over the steps looked back on, by kind."""
        if not self._rows:
            return {}
        mean, found = self._mean(), dict[str, str]()
        if mean["truncated"] >= MOSTLY:
            found["truncated"] = (
                f"{mean['truncated']:.0%} of the completions are truncated at {self.max_new_tokens} tokens: raise "
                "rl.max_new_tokens"
            )
        if mean["unparsed"] >= MOSTLY:
            found["unparsed"] = (
                f"{mean['unparsed']:.0%} of the completions cannot be parsed: look at the rollouts. Check that the "
                "prompt asks for the format that the task reads (data.mode) and that the model knows it (a short "
                "SFT teaches it)"
            )
        if mean.get("groups_without_signal", 0.0) >= self.groups:
            found["signal"] = (
                "all groups have zero variance: the rewards may be too hard or too easy for this model. A higher "
                "rl.temperature or rl.group_size, easier samples, or partial rewards help"
            )
        found |= self._collapse(mean)
        return found

    def _collapse(self, mean: Mapping[str, float]) -> dict[str, str]:
        found: dict[str, str] = {}
        if mean.get("kl", 0.0) > self.config.max_kl:
            found["kl"] = (
                f"the policy is far from the initial model (KL {mean['kl']:.2g} a token): raise rl.kl or lower optim.lr"
            )
        if mean["grad_norm"] > self.config.max_grad_norm:
            found["gradient"] = f"the gradient is large (norm {mean['grad_norm']:.2g}): lower optim.lr"
        if mean.get("nll", math.inf) < COLLAPSED["nll"] and mean["completion_tokens"] > 0:
            found["entropy"] = (
                f"the policy has become almost deterministic (entropy estimate {mean['nll']:.2g} nats per token): "
                "lower optim.lr, raise rl.temperature, or add rl.kl"
            )
        if self._lost_half(mean.get("reward")):
            found["reward"] = (
                f"the reward fell to {mean['reward']:.3g} from {self._best_reward:.3g}: lower optim.lr or raise rl.kl"
            )
        return found

    def _lost_half(self, reward: float | None) -> bool:
        """More than half of the best reward is gone again; of one that began below 0, of its rise since then."""
        if reward is None or self._first_reward is None:
            return False
        height = max(self._best_reward - min(self._first_reward, 0.0), abs(self._best_reward))
        return self._best_reward - reward > COLLAPSED["reward"] * height
