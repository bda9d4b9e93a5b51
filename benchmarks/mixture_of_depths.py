"""p-MoD against the dense model: speed and memory on a CPU, and quality on toyworld.

    python benchmarks/mixture_of_depths.py speed --vision 1024 4096
    python benchmarks/mixture_of_depths.py quality
    python benchmarks/mixture_of_depths.py quality --layers 8

`speed` builds a Qwen2.5-VL of real proportions with random weights and measures both forms of it in turns, in one
process; a round gives one quotient dense / routed, and the median over the rounds is reported, of wall clock and of
CPU time (which other work on the machine hardly changes). `quality` is in mixture_of_depths_quality.py.
"""

import argparse
import ctypes
import multiprocessing
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import torch
from torch import Tensor

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models._transformers import CACHE
from reeltune.models.mixture_of_depths.install import install, is_routed, vision_samples

TOKENS_PER_PAIR = 256  # 448 x 448 pixels, as in recipes/p-mod/qwen2.5-vl-7b.yaml
TEXT_TOKENS, ANSWER_TOKENS, DECODE_STEPS = 32, 32, 16
VIDEO, START, END = 990, 991, 992


def build_model(layers: int, hidden: int) -> Any:
    """A Qwen2.5-VL whose tower costs about a third of its decoder, as in the 7B model."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    heads = hidden // 64
    text = {
        "vocab_size": 1000, "hidden_size": hidden, "intermediate_size": 3 * hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": heads // 2, "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
        "tie_word_embeddings": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    vision = {
        "depth": 4, "hidden_size": hidden // 2, "intermediate_size": 3 * hidden // 2, "num_heads": heads // 2,
        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": hidden,
        "window_size": 112, "fullatt_block_indexes": [3],
    }  # fmt: skip
    ids = {"video_token_id": VIDEO, "vision_start_token_id": START, "vision_end_token_id": END, "image_token_id": 993}
    torch.manual_seed(0)
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids))


def make_inputs(vision_tokens: int) -> dict[str, Tensor]:
    pairs = vision_tokens // TOKENS_PER_PAIR
    text = torch.randint(3, 900, (TEXT_TOKENS,)).tolist()
    ids = torch.tensor([[*text, START, *[VIDEO] * (pairs * TOKENS_PER_PAIR), END, *text]])
    return {
        "input_ids": ids,
        "mm_token_type_ids": (ids == VIDEO).int() * 2,
        "pixel_values_videos": torch.randn(pairs * TOKENS_PER_PAIR * 4, 3 * 2 * 14 * 14),
        "video_grid_thw": torch.tensor([[pairs, 32, 32]]),
        "second_per_grid_ts": torch.ones(1),
    }


@dataclass
class Workload:
    """One form of the model with everything that precedes the measured part."""

    model: Any
    inputs: dict[str, Tensor]
    optimizer: torch.optim.Optimizer | None = None

    def __post_init__(self) -> None:
        with torch.no_grad():
            video = self.model.model.get_video_features(
                self.inputs["pixel_values_videos"], self.inputs["video_grid_thw"], return_dict=True
            )
            ids = self.inputs["input_ids"]
            embeds = self.model.get_input_embeddings()(ids)
            self.embeds = embeds.masked_scatter((ids == VIDEO)[..., None], torch.cat(list(video.pooler_output)))
        self.positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
        self.extra = {"vision_samples": vision_samples(ids, [VIDEO])} if is_routed(self.model) else {}

    @torch.no_grad()
    def prefill(self) -> Any:
        output = self.model.model.language_model(
            inputs_embeds=self.embeds, position_ids=self.positions, use_cache=True, **self.extra
        )
        self.model.lm_head(output.last_hidden_state[:, -1]).argmax(-1)
        return getattr(output, CACHE)

    @torch.no_grad()
    def first_token(self) -> None:
        self.model(**self.inputs, use_cache=True, logits_to_keep=1).logits.argmax(-1)

    def decode(self) -> Callable[[], None]:
        cache, last = self.prefill(), self.embeds[:, -1:]

        @torch.no_grad()
        def steps() -> None:
            for step in range(DECODE_STEPS):
                position = self.positions[:, :, -1:] + 1 + step
                self.model.model.language_model(
                    inputs_embeds=last, position_ids=position, use_cache=True, **{CACHE: cache}
                )

        return steps

    def train_step(self) -> None:
        """Forward, backward and AdamW over the decoder; the tower is frozen and its features are cached."""
        decoder = self.model.model.language_model
        if self.optimizer is None:
            self.model.model.visual.requires_grad_(False)
            self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-6)
        hidden = decoder(
            inputs_embeds=self.embeds, position_ids=self.positions, use_cache=False, **self.extra
        ).last_hidden_state
        logits = self.model.lm_head(hidden[0, -ANSWER_TOKENS - 1 : -1])
        targets = self.inputs["input_ids"][0, -ANSWER_TOKENS:]
        torch.nn.functional.cross_entropy(logits, targets).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


GOALS = {"prefill": 1.6, "train_step": 1.4}
PARTS = ("prefill", "first_token", "decode", "train_step")


def measure(workload: Workload, part: str) -> tuple[float, float]:
    """Seconds of wall clock and of CPU time."""
    work = workload.decode() if part == "decode" else getattr(workload, part)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def make_workloads(vision_tokens: int, args: argparse.Namespace) -> dict[str, Workload]:
    dense = build_model(args.layers, args.hidden)
    routed = deepcopy(dense)
    install(routed, MixtureOfDepthsConfig())
    inputs = make_inputs(vision_tokens)
    return {"dense": Workload(dense, inputs), "routed": Workload(routed, inputs)}


def compare(vision_tokens: int, args: argparse.Namespace) -> dict[str, Any]:
    workloads = make_workloads(vision_tokens, args)
    seconds: dict[str, dict[str, list[tuple[float, float]]]] = {p: {"dense": [], "routed": []} for p in args.parts}
    for workload in make_workloads(TOKENS_PER_PAIR, args).values():  # warms up
        for part in args.parts:
            measure(workload, part)
    for number in range(args.rounds):
        for part in args.parts:
            for form in ("dense", "routed") if number % 2 else ("routed", "dense"):
                seconds[part][form].append(measure(workloads[form], part))
    return {part: summary(seconds[part]) for part in args.parts} | {"memory": peak_memory(vision_tokens, args)}


def summary(seconds: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, clock in enumerate(("wall", "cpu")):
        dense, routed = ([each[index] for each in seconds[form]] for form in ("dense", "routed"))
        quotients = [before / after for before, after in zip(dense, routed, strict=True)]
        found[clock] = {
            "rounds": seconds,
            "dense": statistics.median(dense),
            "routed": statistics.median(routed),
            "speedup": statistics.median(quotients),
            "least": min(quotients),
            "most": max(quotients),
        }
    return found


def peak_memory(vision_tokens: int, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """MiB that each part adds to a process of its own at its peak. Linux only: it resets the kernel's high mark."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, dict[str, float]] = {}
    for part in ("prefill", "train_step"):
        for form in ("dense", "routed"):
            with context.Pool(1) as pool:
                found.setdefault(part, {})[form] = pool.apply(_peak, (vision_tokens, args, form, part))
    return found


def _peak(vision_tokens: int, args: argparse.Namespace, form: str, part: str) -> float:
    torch.set_num_threads(args.threads)
    workload = make_workloads(vision_tokens, args)[form]
    ctypes.CDLL(None).malloc_trim(0)  # what building the model freed must not hide what the part takes
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmHWM")
    getattr(workload, part)()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def print_table(results: dict[int, dict[str, Any]]) -> None:
    print(
        f"{'vision':>7} {'part':<12} {'dense s':>9} {'routed s':>9} {'speedup':>8} {'least':>6} {'most':>6} {'cpu':>6} "
        f"{'dense cpu':>9} {'routed cpu':>9}"
    )
    for tokens, result in results.items():
        for part in (each for each in result if each != "memory"):
            wall, cpu = result[part]["wall"], result[part]["cpu"]
            print(
                f"{tokens:>7} {part:<12} {wall['dense']:9.3f} {wall['routed']:9.3f} {wall['speedup']:8.2f} "
                f"{wall['least']:6.2f} {wall['most']:6.2f} {cpu['speedup']:6.2f} "
                f"{cpu['dense']:9.3f} {cpu['routed']:9.3f}"
            )
        for part, peaks in result["memory"].items():
            print(f"{tokens:>7} {part:<12} {peaks['dense']:9.0f} {peaks['routed']:9.0f} MiB above the loaded model")


def speed(args: argparse.Namespace) -> None:
    head = harness.start(args)
    results = {tokens: compare(tokens, args) for tokens in args.vision}
    print_table(results)
    verdicts = harness.Verdicts()
    for tokens, result in results.items():
        for part, goal in GOALS.items():
            if part in result:
                what = f"{tokens} vision tokens, {part}: dense / routed, processor seconds"
                verdicts.check(what, result[part]["cpu"]["speedup"], goal, at_least=True)
    verdicts.show()
    harness.write(args, {**head, "results": results, "goals": verdicts.rows})


def quality(args: argparse.Namespace) -> None:
    from mixture_of_depths_quality import run_quality

    run_quality(args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--threads", type=int, default=1)
    common.add_argument("--json", type=Path, help="write machine, versions, options and raw results here")
    common.set_defaults(device="cpu", seed=0)
    commands = parser.add_subparsers(required=True)
    fast = commands.add_parser("speed", parents=[common])
    fast.add_argument("--vision", type=int, nargs="+", default=[1024, 4096])
    fast.add_argument("--rounds", type=int, default=5)
    fast.add_argument("--layers", type=int, default=12)
    fast.add_argument("--hidden", type=int, default=512)
    fast.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    fast.set_defaults(run=speed)
    good = commands.add_parser("quality", parents=[common])
    good.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    good.add_argument("--dir", type=Path, default=Path("runs/mixture-of-depths"))
    good.add_argument("--variants", nargs="+")
    good.add_argument("--base", default="toyworld:base")
    good.add_argument("--layers", type=int, help="more decoder layers than the base has; they change nothing at first")
    good.add_argument("--videos", type=int, nargs=2, default=[400, 256], metavar=("TRAIN", "HELD_OUT"))
    good.add_argument("--steps", type=int, default=100)
    good.add_argument("--lr", type=float, default=3e-4)
    good.set_defaults(run=quality)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
