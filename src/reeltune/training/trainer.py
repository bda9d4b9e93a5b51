"""The loop: samples -> groups -> passes -> one optimizer step, for any method.

Read `Trainer.run` first. Groups are the unit everywhere: a process gets whole groups, a pass holds whole
groups. Every random choice is a function of the seed and the step, so a resumed run repeats a run that was
never stopped, bit for bit on a CPU.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn
from tqdm import tqdm

from reeltune.config.recipe import Recipe
from reeltune.data.samples import Sample
from reeltune.errors import InputError, VideoError
from reeltune.evaluation.runner import Metrics, answers, metrics_by_task
from reeltune.judges import Judge
from reeltune.models.policy import Policy
from reeltune.models.types import Group, Prompt, VideoFeatures
from reeltune.rollout.engine import RolloutEngine
from reeltune.rollout.reader import InputReader, autocast
from reeltune.training.checkpoint import save_checkpoint
from reeltune.training.draw import MAX_SUBSTITUTES, Pick, StepDraw
from reeltune.training.interrupt import Interrupt
from reeltune.training.journal import Journal
from reeltune.training.learner import accumulate_gradients, log_prob_gap
from reeltune.training.method import Input, Item, Method
from reeltune.training.optimizer import learning_rate
from reeltune.training.prompt_history import PromptHistory
from reeltune.training.schedule import Schedule
from reeltune.video.quarantine import Quarantine

PARITY_TOLERANCE = {"float32": 1e-4, "bf16": 0.25}


@dataclass
class Trainer:
    """Everything one run needs, already built; `launch.py` builds it from a recipe."""

    recipe: Recipe
    accelerator: Accelerator
    policy: Policy
    learner: nn.Module
    optimizer: torch.optim.Optimizer
    method: Method
    reader: InputReader
    engine: RolloutEngine
    samples: list[Sample]
    held_out: list[Sample]
    schedule: Schedule
    journal: Journal | None
    quarantine: Quarantine
    run_dir: Path
    first_step: int = 0
    judge: Judge | None = None
    history: PromptHistory | None = None

    def run(self) -> bool:
        """Train to the last step. False when Ctrl-C ended it early; a checkpoint is written either way."""
        steps = self.recipe.steps
        bar = tqdm(
            total=steps,
            initial=self.first_step,
            desc=self.recipe.method,
            unit="step",
            disable=not self._is_main,
        )
        with Interrupt() as interrupt, bar:
            if self.first_step == 0 and self._evaluates(0):
                self._evaluate(0)
            saved = self.first_step
            for step in range(self.first_step, steps):
                metrics = self._step(step)
                done = step + 1
                bar.update()
                bar.set_postfix({name: f"{metrics[name]:.3g}" for name in ("loss", "reward") if name in metrics})
                if self._evaluates(done):
                    self._evaluate(done)
                stopping = any(gather_object([interrupt.requested]))
                every = self.recipe.checkpoint.every
                if stopping or done == steps or (every and done % every == 0):
                    self._save(done)
                    saved = done
                if stopping and done < steps:
                    return False
            if saved == 0:
                self._save(0)
        return True

    def _step(self, step: int) -> dict[str, float]:
        started = time.perf_counter()
        draw = StepDraw(step, self.schedule, self.samples, self.history)
        self.policy.train()
        with autocast(self.accelerator.device, self.recipe.optim.precision):
            inputs = self._inputs(step, draw.first())
            prepared = self.method.prepare(step, inputs, lambda silent: self._redraw(draw, silent))
        prepared_at = time.perf_counter()
        if step == self.first_step and self.recipe.method == "grpo":
            self._assert_parity(prepared.items)
        sums: dict[str, float] = {}
        for update in range(self.method.updates_per_step):
            items = prepared.items if update == 0 else self._with_fresh_features(prepared.items)
            sums = self._update(step, items, update)
        metrics = self.method.summarize(gather_object(prepared.records), sums)
        metrics |= {name: sums[name] for name in ("grad_norm", "lr")}
        metrics["quarantined"] = self._count_quarantined()
        if self.history:
            for sample_id, rewards in gather_object(prepared.observed):
                self.history.observe(sample_id, rewards)
            metrics |= draw.metrics(self.recipe.rl.group_size)
        if self.journal:
            self.journal.metrics(step + 1, metrics)
            now = time.perf_counter()
            self.journal.timing(
                step + 1,
                {"seconds": now - started, "prepare": prepared_at - started, "update": now - prepared_at},
            )
        rollouts = gather_object(prepared.rollouts)
        if rollouts and self.journal:
            self.journal.rollouts(step + 1, rollouts)
        return metrics

    def _update(self, step: int, items: list[Item], update: int) -> dict[str, float]:
        recipe = self.recipe
        rate = learning_rate(step, recipe.steps, recipe.optim)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        sums = accumulate_gradients(
            self.learner,
            self.accelerator,
            self.method,
            items,
            update=update,
            temperature=self._temperature,
            token_budget=recipe.packing.train_tokens,
            precision=recipe.optim.precision,
        )
        norm = self.accelerator.clip_grad_norm_(self.learner.parameters(), recipe.optim.max_grad_norm)
        grad_norm = 0.0 if norm is None else float(norm)
        if grad_norm != grad_norm:
            raise InputError(
                f"step {step + 1}: the gradient is NaN; the weights were not changed. Lower optim.lr, or look "
                f"for the cause in {self.run_dir / 'metrics.jsonl'}"
            )
        self.optimizer.step()
        return sums | {"grad_norm": grad_norm, "lr": rate}

    def _inputs(self, step: int, picks: Sequence[Pick]) -> list[Input]:
        """This process's inputs among the picks; a sample with an unusable video is replaced by another one."""
        mine = [self._readable(step, pick) for pick in picks if self._owns(pick.slot)]
        features = self.reader.encode([prompt for _, prompt in mine]) if mine else []
        return [Input(sample, prompt, video) for (sample, prompt), video in zip(mine, features, strict=True)]

    def _redraw(self, draw: StepDraw, silent: Sequence[bool]) -> dict[int, Input] | None:
        """Other inputs for zero-variance groups, by their place among this process's; None when no process gets any."""
        if self.history is None:
            return None
        picks = draw.again(gather_object(list(silent)))
        if not picks:
            return None
        places = [pick.slot - self._share * self.accelerator.process_index for pick in picks if self._owns(pick.slot)]
        return dict(zip(places, self._inputs(draw.step, picks), strict=True))

    @property
    def _share(self) -> int:
        """Slots of a step per process; each has a run of neighbors."""
        return self.recipe.samples_per_step // int(self.accelerator.num_processes)

    def _owns(self, slot: int) -> bool:
        return slot // self._share == int(self.accelerator.process_index)

    def _readable(self, step: int, pick: Pick) -> tuple[Sample, Prompt]:
        index = pick.index
        for attempt in range(pick.attempt + 1, pick.attempt + MAX_SUBSTITUTES):
            sample = self.samples[index]
            if sample.id not in self.quarantine:
                try:
                    return sample, self.reader.prompt(sample)
                except VideoError as error:
                    self.quarantine.add(sample.id, sample.video, str(error))
                    self.quarantine.check(len(self.samples))
            index = self.schedule.substitute(step, pick.slot, attempt)
        raise InputError(f"no readable video among {MAX_SUBSTITUTES} samples; see {self.run_dir / 'quarantine.jsonl'}")

    def _count_quarantined(self) -> float:
        """Of all processes, so that each also stops at the share that the recipe allows for the whole run."""
        self.quarantine.learn(gather_object(self.quarantine.entries))
        self.quarantine.check(len(self.samples))
        return float(len(self.quarantine))

    def _with_fresh_features(self, items: list[Item]) -> list[Item]:
        """A trained tower has changed since the last update: encode again, with a new graph."""
        if self.policy.vision_frozen:
            return items
        features: list[VideoFeatures] = self.reader.encode([item.group.prompt for item in items])
        for item, each in zip(items, features, strict=True):
            item.group = Group(item.group.prompt, each, item.group.completions)
        return items

    def _assert_parity(self, items: list[Item]) -> None:
        precision = self.recipe.optim.precision
        tolerance = self.recipe.rl.parity_tolerance or PARITY_TOLERANCE[precision]
        gap = log_prob_gap(
            self.policy,
            items,
            temperature=self._temperature,
            token_budget=self.recipe.packing.train_tokens,
            precision=precision,
        )
        gap = max(gather_object([gap]))
        if not gap <= tolerance:
            raise InputError(
                f"rollout and learner must give the sampled tokens the same log-probs within {tolerance:g}; they "
                f"differ by {gap:.3g}. They see different inputs (positions, pixels, padding) or run at different "
                "precision; if the precision is meant, raise rl.parity_tolerance"
            )

    def _evaluates(self, step: int) -> bool:
        every = self.recipe.eval.every
        return bool(self.held_out) and every > 0 and (step % every == 0 or step == self.recipe.steps)

    def _evaluate(self, step: int) -> Metrics:
        """Every process answers its share; the main one writes task/metric values in percent."""
        started = time.perf_counter()
        numbers = range(self.accelerator.process_index, len(self.held_out), self.accelerator.num_processes)
        mine = [self.held_out[number] for number in numbers]
        limit = self.recipe.eval.max_new_tokens
        with autocast(self.accelerator.device, self.recipe.optim.precision):
            found = list(answers(self.reader, self.engine, mine, max_new_tokens=limit))
        texts = dict(gather_object(list(zip(numbers, found, strict=True))))
        # One process asks the judge, so that nothing is paid for twice.
        judge = self.judge if self._is_main else None
        metrics = metrics_by_task(self.held_out, [texts[number] for number in range(len(self.held_out))], judge)
        if self.journal:
            flat = {f"eval/{task}/{name}": value for task, row in metrics.items() for name, value in row.items()}
            self.journal.metrics(step, flat)
            self.journal.answers(step, [{"id": s.id, "text": texts[n]} for n, s in enumerate(self.held_out)])
            self.journal.timing(step, {"evaluation": time.perf_counter() - started})
        return metrics

    def _save(self, step: int) -> None:
        self.accelerator.wait_for_everyone()
        if self._is_main:
            root = self.run_dir / "checkpoints"
            state = {"prompts": self.history.state()} if self.history else {}
            save_checkpoint(root, step, self.policy, self.optimizer, keep=self.recipe.checkpoint.keep, state=state)
        self.accelerator.wait_for_everyone()

    @property
    def _is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    @property
    def _temperature(self) -> float:
        return self.recipe.rl.temperature if self.recipe.method == "grpo" else 1.0


def check_share(slots: Sequence[int] | int, processes: int) -> None:
    """Groups are never split, so the step's samples must divide among the processes."""
    count = slots if isinstance(slots, int) else len(slots)
    if count % processes:
        raise InputError(
            f"samples per step must be a multiple of the number of processes; got {count} and {processes}. Set "
            "rl.groups_per_step or sft.samples_per_step"
        )
