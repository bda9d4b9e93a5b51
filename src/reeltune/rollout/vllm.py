"""The rollout engine over vLLM servers: one request a group, features from the learner's tower, weights each step.

Every process of a run asks for its own groups; the main one alone publishes weights and starts servers. What is drawn
depends on the prompt, the seed and the weights, not on which server draws it (up to a kernel's rounding).
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from reeltune.config.recipe import Recipe
from reeltune.distributed.shard import gathered
from reeltune.distributed.world import World, joined
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.http import Requests
from reeltune.models.policy import Policy
from reeltune.rollout import probe
from reeltune.rollout.engine import Request, Rollout, SamplingParams, Unanswered, Weights
from reeltune.rollout.launch import NAME, Fleet, Process, Serving, require_python, write_plugin
from reeltune.rollout.messages import Messages, require_served
from reeltune.rollout.pool import GivenUp, Job, Pool
from reeltune.rollout.publish import WAYS, Publisher
from reeltune.rollout.reader import autocast
from reeltune.rollout.server import ADAPTER, LARGEST_ANSWER, Down, Refused, Server
from reeltune.video.cache import FrameCache

TESTED = "0.32"


class VLLMEngine:
    """`start`, then `sync` and `generate` in turn, then `close`: see `RolloutEngine`."""

    beside = True
    """It computes elsewhere, with weights of its own: rollouts may run while the learner updates."""

    def __init__(self, policy: Policy, recipe: Recipe, world: World | None = None) -> None:
        rollout = recipe.rollout
        require_served(policy.family, rollout.media)
        self.policy, self.recipe = policy, recipe
        self.world = world or joined(policy.device)
        self.folder = Path(rollout.publish_dir or Path(recipe.run.dir) / "published")
        self.fleet = Fleet(self._processes()) if rollout.launch and self.world.is_main else Fleet([])
        urls = [each.url for each in self._serving()] if rollout.launch else rollout.servers
        requests = Requests(LARGEST_ANSWER)
        lora = rollout.publish == "lora"
        frames = FrameCache(self.folder / "frames", int(recipe.video.cache_gib * 2**30) or 2**30)
        self.messages = Messages(
            policy, model=ADAPTER if lora else NAME, frames=frames if rollout.media == "frames" else None
        )
        [run] = self.world.gather([uuid4().hex[:8]] if self.world.is_main else [])
        self.publisher = Publisher(WAYS[rollout.publish](), policy, self.folder, run, self.world, compares=not lora)
        self.pool = Pool(
            [Server(url, requests, timeout_s=rollout.timeout_s) for url in urls],
            self.publisher.prepare,
            rollout.timeout_s,
            retries=rollout.retries,
            min_servers=rollout.min_servers,
            tend=self.fleet.tend,
            deaths=self._known_deaths(),
        )
        self.version = 0
        self.probed = False
        self.said: set[str] = set()

    # Starting

    def start(self) -> None:
        """Start the servers, where they are the run's own, and look at all. InputError when too few answer."""
        self.fleet.start(self.recipe.rollout.launch.ready_s if self.recipe.rollout.launch else 0.0)
        self.world.wait()
        found = [self._look(server) for server in self.pool.servers]
        answering = [line for ok, line in found if ok]
        if self.world.is_main:
            for _, line in found:
                print(f"reeltune: server {line}", file=sys.stderr)
        if len(answering) < self.recipe.rollout.min_servers:
            lines = "".join(f"\n  {line}" for ok, line in found if not ok)
            raise InputError(
                f"rollout.min_servers={self.recipe.rollout.min_servers} servers must answer at the start, but "
                f"{len(answering)} did:{lines}\nStart them with: reeltune serve MODEL --port PORT"
            )

    def _look(self, server: Server) -> tuple[bool, str]:
        try:
            version, model = server.version(), server.model()
            server.weight_sum()
        except Down as error:
            return False, str(error)
        except Refused as error:
            return False, f"{error}; it was not started by `reeltune serve`, whose flags and plugin are required"
        if model["id"] != NAME:
            return False, f"{server.url}: it serves {model['id']!r}, not {NAME!r}: start it with `reeltune serve`"
        note = "" if version.startswith(f"{TESTED}.") else f" (tested: {TESTED})"
        return True, f"{server.url}: vLLM {version}{note}, {model.get('root')}, {model.get('max_model_len')} tokens"

    # Weights

    def sync(self, weights: Weights, version: int) -> None:
        """Every process calls it. A server that fails to take the weights is left out until it has them."""
        self.version = version
        self.publisher.write(weights, version)
        if self.world.is_main:
            self.pool.renew(self.publisher.name)
        self.world.wait()
        if not self.world.is_main:
            self.pool.renew(self.publisher.name)
        for note in sorted(self.publisher.notes - self.said):
            print(f"reeltune: WARNING: {note}", file=sys.stderr)
        self.said |= self.publisher.notes
        if not self.probed:
            self._probe()
            self.probed = True

    def _probe(self) -> None:
        """Every process asks every server: prompt and log-probs of a made video must be the learner's."""
        precision = self.recipe.optim.precision
        tolerance = self.recipe.rl.parity_tolerance or probe.TOLERANCE[self.recipe.rounding]
        problem = ""
        with gathered(self.policy), autocast(self.policy.device, precision):
            case = probe.video_case(self.policy, "video", probe.noise_clip(self.policy))
            for member in self.pool.members:
                if not member.ready:
                    problem = problem if len(self.pool.ready) >= self.pool.min_servers else member.why
                    continue
                try:
                    seen = probe.look(member.server, self.messages, self.policy, case)
                    probe.require_same(seen, tolerance, member.server.url)
                except (Down, InputError, KeyError, TypeError, ValueError) as error:
                    problem = f"{error}"
        problems = [each for each in self.world.gather([problem]) if each]
        if problems:
            raise InputError(f"rollouts cannot be trusted: {problems[0]}")

    # Rollouts

    def generate(
        self, requests: Sequence[Request], group_size: int, params: SamplingParams, *, keep_graph: bool = False
    ) -> list[Rollout]:
        """Raises Unanswered where some requests get no answer from any server, NoServers where too few are left."""
        unserved = [self.messages.unserved(request.prompt) for request in requests]
        jobs = [
            self._job(each, group_size, params) for each, why in zip(requests, unserved, strict=True) if why is None
        ]
        known = dict(self.pool.deaths)
        try:
            given = iter(self.pool.ask(jobs))
        finally:
            if self.pool.deaths != known:
                write_json(self._deaths_file(self.world.rank), self.pool.deaths)
        found: list[Any] = [next(given) if why is None else GivenUp(why) for why in unserved]
        lost = {index: each.reason for index, each in enumerate(found) if isinstance(each, GivenUp)}
        if lost:
            raise Unanswered(lost, {index: each for index, each in enumerate(found) if index not in lost})
        return found

    def _job(self, request: Request, group_size: int, params: SamplingParams) -> Job:
        version = self.version

        def read(answer: dict[str, Any]) -> Rollout:
            try:
                return self.messages.rollout(request, answer, group_size, version)
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise ValueError(f"{type(error).__name__}: {error}") from None

        body: Callable[[], bytes] = lambda: self.messages.body(request, group_size, params)  # noqa: E731
        return Job(self.messages.key(request), body, read)

    def counts(self) -> dict[str, float]:
        """What went wrong and was set right since it was last asked."""
        found, self.pool.counts = self.pool.counts, {}
        return found

    def close(self) -> None:
        """End the servers that the run started, and remove what was published."""
        self.fleet.stop()
        if self.world.is_main:
            self.publisher.clear()

    # What it is built from

    def _serving(self) -> list[Serving]:
        launch, adapter = self.recipe.rollout.launch, self.recipe.adapter
        assert launch is not None
        base = self.policy.source
        bf16 = self.recipe.model.dtype == "bfloat16" or self.recipe.optim.precision == "bf16"
        hybrid = "linear_attention" in (getattr(self.policy.text_config, "layer_types", None) or ())
        if hybrid and not torch.cuda.is_available():
            # In float32 by an assertion, "CPU GDN attention requires BF16."; a tiny Qwen3.5 in bfloat16 died too.
            raise InputError(
                "rollout.launch: the CPU engine of vLLM 0.32 crashes on gated delta nets (Qwen3.5, Qwen3.6) at "
                "the first request: use rollout.engine=hf, or a machine with a GPU"
            )
        return [
            Serving(
                base,
                port=launch.port + number,
                dtype="bfloat16" if bf16 else "float32",
                tensor=launch.tensor,
                lora_rank=adapter.rank if adapter and self.recipe.rollout.publish == "lora" else 0,
                python=launch.python,
                options=launch.options,
            )
            for number in range(launch.replicas)
        ]

    def _processes(self) -> list[Process]:
        launch = self.recipe.rollout.launch
        assert launch is not None
        require_python(launch.python)
        run_dir = Path(self.recipe.run.dir)
        plugin = write_plugin(run_dir / "servers" / "plugin")
        found = []
        for number, serving in enumerate(self._serving()):
            first = launch.first_gpu + number * launch.tensor
            gpus = range(first, first + launch.tensor) if torch.cuda.is_available() else ()
            found.append(Process(serving, run_dir / "servers" / f"{serving.port}.log", plugin, list(gpus)))
        return found

    def _deaths_file(self, rank: int) -> Path:
        return Path(self.recipe.run.dir) / "servers" / f"deaths-{rank}.json"

    def _known_deaths(self) -> dict[str, int]:
        """Of earlier starts of this run: a request that servers died of is asked alone, or not again."""
        found: dict[str, int] = {}
        for path in sorted((Path(self.recipe.run.dir) / "servers").glob("deaths-*.json")):
            for key, count in json.loads(path.read_text(encoding="utf-8")).items():
                found[key] = max(found.get(key, 0), int(count))
        return found
