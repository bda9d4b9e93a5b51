"""The loop around a step: progress, evaluation, checkpoints, what a run says while it runs.

Every random choice is a function of the seed and the step, so a resumed run repeats a run that was never stopped, bit
for bit on a CPU.
"""

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from reeltune.config.recipe import Recipe
from reeltune.distributed.shard import gathered
from reeltune.distributed.world import World
from reeltune.errors import NoServers
from reeltune.evaluation.runner import Answer, answer_all, metrics_by_task
from reeltune.judges import Judge
from reeltune.progress import Progress
from reeltune.rollout.engine import RolloutEngine, faults_of
from reeltune.rollout.reader import autocast
from reeltune.sample import Sample
from reeltune.training import announce
from reeltune.training.behind import Behind
from reeltune.training.checkpoint import save_checkpoint
from reeltune.training.journal import Journal, count_lines, read_jsonl
from reeltune.training.learner import Learner
from reeltune.training.phases import Heartbeat
from reeltune.training.prompts import PromptSource
from reeltune.training.step import Method
from reeltune.training.watch import Watch
from reeltune.video.quarantine import Quarantine


@dataclass
class Loop:
    """Everything one run needs, already built; `train.py` builds it from a recipe."""

    recipe: Recipe
    method: Method
    learner: Learner
    engine: RolloutEngine
    source: PromptSource
    eval_quarantine: Quarantine
    held_out: list[Sample]
    watch: Watch
    journal: Journal | None
    run_dir: Path
    first_step: int = 0
    judge: Judge | None = None
    run_digest: str = ""

    def __post_init__(self) -> None:
        apart = self._asynchronous and self.learner.sharded
        self.behind = Behind(self._world.apart() if apart else None)

    def run(self) -> bool:
        """Train to the last step. False when Ctrl-C ended it early; a checkpoint is written either way."""
        try:
            return self._run()
        finally:
            self.behind.end()

    def _run(self) -> bool:
        steps, every = self.recipe.steps, self.recipe.checkpoint.every
        progress = Progress(steps, self.recipe.method, unit="step", initial=self.first_step, disable=not self._is_main)
        with Interrupt() as interrupt, progress, Heartbeat(self.learner.phases, disable=not self._is_main):
            if self._evaluates(self.first_step) and self._misses_evaluation():
                self._evaluate(self.first_step)
            for step in range(self.first_step, steps):
                try:
                    metrics = self._step(step)
                except NoServers:
                    # Nothing of this step was applied. Of a resumed run's first step all is on the disk already.
                    if step > self.first_step or step == 0:
                        self._save(step)
                        self._finish_saving()
                    raise
                done = step + 1
                progress.update()
                if step == self.first_step and self._is_main:
                    announce.end(time.monotonic() - self.learner.phases.began, steps - done)
                progress.set(**{name: metrics[name] for name in ("loss", "reward") if name in metrics})
                if self._evaluates(done):
                    try:
                        self._evaluate(done)
                    except NoServers:
                        self._save(done)  # a resumed run begins with this evaluation
                        self._finish_saving()
                        raise
                stopping = any(self._world.gather([interrupt.requested]))
                if stopping or done == steps or (every and done % every == 0):
                    self._save(done)
                if stopping or done == steps:
                    self._finish_saving()
                if stopping and done < steps:
                    return False
        if steps == 0:
            self._save(0)
            self._finish_saving()
        return True

    def _step(self, step: int) -> dict[str, float]:
        self.behind.check()
        self.learner.phases.begin(step + 1)
        started, processor = time.perf_counter(), time.process_time()
        self.learner.policy.train()
        result = self.method(step)
        timing = self._timing(time.perf_counter() - started, time.process_time() - processor, result.metrics)
        warnings = self.watch.observe(step + 1, result.metrics)
        rollouts = self._world.gather(result.rollouts)
        if self.journal:
            self.journal.metrics(step + 1, result.metrics)
            self.journal.timing(step + 1, timing)
            if rollouts:
                self.journal.rollouts(step + 1, rollouts)
            for warning in warnings:
                self.journal.warning(step + 1, warning)
                print(f"reeltune: step {step + 1}: WARNING: {warning}", file=sys.stderr)
        return result.metrics

    def _timing(self, seconds: float, processor: float, metrics: dict[str, float]) -> dict[str, float]:
        """Of the step: seconds, also by phase, what a group cost all devices together, and tokens per second."""
        groups, world = self.recipe.samples_per_step, self._world
        if world.device.type == "cpu":
            cost = {"processor_seconds_per_group": sum(world.gather([processor])) / groups}
        else:
            cost = {"gpu_seconds_per_group": seconds * world.size / groups}
        phases = {f"seconds/{name}": value for name, value in self.learner.phases.seconds.items()}
        servers = {f"rollouts/{name}": value for name, value in faults_of(self.engine).items()}
        return {"seconds": seconds, **phases, **servers, **cost, "tokens_per_second": metrics["tokens"] / seconds}

    def _evaluates(self, step: int) -> bool:
        every = self.recipe.eval.every
        return bool(self.held_out) and every > 0 and (step % every == 0 or step == self.recipe.steps)

    def _misses_evaluation(self) -> bool:
        """At step 0; and where a run that lost its servers in the evaluation after a step is gone on with."""
        if self.first_step == 0:
            return True
        rows = read_jsonl(self.run_dir / "metrics.jsonl") if self._is_main else []
        own = [row for row in rows if row["step"] == self.first_step]
        evaluated = any(name.startswith("eval/") for row in own for name in row)
        [found] = self._world.gather([bool(own) and not evaluated] if self._is_main else [])
        return found

    def _evaluate(self, step: int) -> None:
        """Every process answers its share; the main one writes task/metric values in percent."""
        started = time.perf_counter()
        world, reader = self._world, self.source.reader
        numbers = range(world.rank, len(self.held_out), world.size)
        mine = [self.held_out[number] for number in numbers]
        lost, found = "", list[Answer | None]()
        with autocast(world.device, self.recipe.optim.precision), gathered(reader.policy):
            try:
                found = answer_all(
                    reader,
                    self.engine,
                    mine,
                    max_new_tokens=self.recipe.eval.max_new_tokens,
                    quarantine=self.eval_quarantine,
                    total=len(self.held_out),
                )
            except NoServers as error:
                lost = str(error)
        for each in filter(None, world.gather([lost])):
            raise NoServers(each)
        answers = dict(world.gather(list(zip(numbers, found, strict=True))))
        ordered = [answers[number] for number in range(len(self.held_out))]
        if not self.journal:
            return
        # One process asks the judge, so that nothing is asked twice.
        metrics = metrics_by_task(self.held_out, ordered, self.judge)
        flat = {f"eval/{task}/{name}": value for task, row in metrics.items() for name, value in row.items()}
        self.journal.metrics(step, flat)
        rows = zip(self.held_out, ordered, strict=True)
        self.journal.answers(step, [{"id": s.id, "text": a.text, "truncated": a.truncated} for s, a in rows if a])
        self.journal.timing(step, {"evaluation": time.perf_counter() - started})

    def _save(self, step: int) -> None:
        config, learner = self.recipe.checkpoint, self.learner
        drawn = self.method.state()
        state = {**self.source.state(), **drawn, "lines": count_lines(self.run_dir)} if self._is_main else {}
        save_checkpoint(
            self.run_dir / "checkpoints",
            step,
            learner.policy,
            learner.optimizer,
            keep=config.keep,
            state=state,
            run=self.run_digest,
            merged=config.export == "merged",
            world=self._world,
            behind=self.behind,
            asynchronous=self._asynchronous,
        )

    @property
    def _asynchronous(self) -> bool:
        asked = self.recipe.checkpoint.asynchronous
        return self._world.device.type != "cpu" if asked is None else asked

    def _finish_saving(self) -> None:
        """Until the last checkpoint is whole, on every process."""
        self.behind.wait()
        self._world.wait()

    @property
    def _world(self) -> World:
        return self.learner.world

    @property
    def _is_main(self) -> bool:
        return self.learner.world.is_main


class Interrupt:
    """Ctrl-C ends a run after the step in hand, with a checkpoint; pressed again, it ends it at once.

    While entered, the first SIGINT or SIGTERM only sets `requested`; the next one acts as usual.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        print("\nfinishing this step, then saving; press Ctrl-C again to stop immediately", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
