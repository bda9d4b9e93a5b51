"""Recipes: one YAML file, one typed config per component, every rule checked where the field is declared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from reeltune.config.distill import DistillConfig, distill_problem
from reeltune.config.errors import explain
from reeltune.config.judge import JudgeConfig
from reeltune.config.model import AdapterConfig, ModelConfig, TrainedPart, training_problem
from reeltune.config.parallel import ParallelConfig
from reeltune.config.rl import RLConfig
from reeltune.config.rollout import RolloutConfig, rollout_problem
from reeltune.config.run import RunConfig
from reeltune.config.section import Section
from reeltune.config.tree import load_tree
from reeltune.errors import InputError


class Source(Section):
    path: str = Field(
        description="A samples.jsonl, or toyworld:train/TASK, toyworld:held_out/TASK, toyworld:lesson/NAME."
    )
    weight: float = Field(1.0, gt=0, description="Sampling weight, relative to the number of samples of the source.")
    first_step: int = Field(
        0, ge=0, description="First step that draws from the source (with last_step: a curriculum)."
    )
    last_step: int | None = Field(None, description="Last step that draws from the source; none: the last of the run.")

    @model_validator(mode="after")
    def _is_drawn(self) -> "Source":
        if self.last_step is not None and self.last_step < self.first_step:
            raise ValueError(
                f"first_step={self.first_step} is after last_step={self.last_step}: the source would never be drawn"
            )
        return self


def _sources(value: Any) -> Any:
    sources = value if isinstance(value, list) else [value]
    return [{"path": source} if isinstance(source, str) else source for source in sources]


class DataConfig(Section):
    train: Annotated[list[Source], BeforeValidator(_sources), Field(min_length=1)]
    tasks: list[str] = Field([], description="Python files with more tasks.")
    mode: Literal["think", "direct", "structured"] = Field(
        "direct", description="What the prompt asks for: reasoning first, only the answer, or a structured draft."
    )
    system: str | None = Field(None, description="A system prompt.")


class VideoConfig(Section):
    fps: float = Field(2.0, gt=0, description="Sampled frames per second, up to max_frames.")
    min_frames: int = Field(4, ge=1, description="Minimum frames per video.")
    max_frames: int = Field(768, ge=1, description="Maximum frames per video.")
    sampling: Literal["number", "time"] = Field(
        "number",
        description="number: evenly spaced frames; time: one frame every 1 / fps seconds, also with a variable "
        "frame rate.",
    )
    total_pixels: int = Field(3584 * 28 * 28, gt=0, description="Pixel budget of all frames of a video together.")
    min_frame_pixels: int = Field(
        16 * 28 * 28, gt=0, description="Minimum pixels per frame; smaller frames are enlarged."
    )
    max_frame_pixels: int = Field(
        768 * 28 * 28, gt=0, description="Maximum pixels per frame; larger frames are reduced."
    )
    cache: str | None = Field(None, description="Cache folder of decoded frames; none: RUN/../frame-cache.")
    cache_gib: float = Field(20.0, ge=0, description="Disk space for decoded frames, in GiB.")
    feature_cache_gib: float = Field(
        2.0, ge=0, description="Memory for cached features of a frozen vision tower, in GiB."
    )
    feature_disk_gib: float = Field(20.0, ge=0, description="Disk space for cached features, in GiB; 0: none.")
    prefetch: int = Field(1, ge=0, description="Processes that decode the videos of the next step in advance; 0: none.")
    timeout_s: float = Field(
        300.0, gt=0, description="Time limit for reading one video, in seconds; slower videos are unusable."
    )
    max_broken_share: float = Field(
        0.05, ge=0, le=1, description="Maximum share of unusable videos; more stop the run."
    )

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> "VideoConfig":
        for what in ("frames", "frame_pixels"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least > most:
                raise ValueError(f"video.min_{what}={least} is more than video.max_{what}={most}")
        return self


class RewardConfig(Section):
    weights: dict[str, dict[str, float]] = Field(
        {}, description="task -> reward -> weight; overrides the weights of the task."
    )
    functions: dict[str, dict[str, str]] = Field(
        {}, description="task -> name -> module:function or file.py:function: your own rewards, with weight 1."
    )
    options: dict[str, dict[str, Any]] = Field({}, description="task -> options of its rewards.")
    max_fault_share: float = Field(
        0.05, ge=0, le=1, description="Maximum share of reward function calls that may raise; more stop the run."
    )
    concurrency: int = Field(
        64, ge=1, description="Concurrent calls of reward functions; 1: one at a time, in the main thread."
    )
    iou_threshold: float | None = Field(None, ge=0, le=1, description="Overlaps below this value count as 0.")
    generalized_iou: bool = Field(False, description="Boxes: use (GIoU + 1) / 2, so that near misses score too.")
    length_bounds: tuple[Annotated[int, Field(ge=0)], int] | None = Field(
        None, description="[min, max] characters: adds the reward `length` (1 within the bounds), which needs a weight."
    )

    @field_validator("length_bounds")
    @classmethod
    def _hold_a_length(cls, bounds: tuple[int, int] | None) -> tuple[int, int] | None:
        if bounds and bounds[0] > bounds[1]:
            raise ValueError(f"no text can have {bounds[0]} to {bounds[1]} characters; give the lower bound first")
        return bounds


class WatchConfig(Section):
    """When a run warns, and when it stops because nothing is learned. Shares are of the completions of a step."""

    every: int = Field(10, ge=1, description="Number of past steps that a warning considers.")
    stop_after: int = Field(
        50,
        ge=0,
        description="Number of consecutive uninformative steps (all completions unparsed or truncated, or all "
        "groups of zero variance) that stops the run; 0: never.",
    )
    max_kl: float = Field(10.0, gt=0, description="Warn above this KL per token.")
    max_grad_norm: float = Field(1e3, gt=0, description="Warn above this gradient norm.")


class SFTConfig(Section):
    steps: int = Field(100, ge=0, description="Number of optimizer steps.")
    samples_per_step: int = Field(32, ge=1, description="Samples per optimizer step, over all processes.")
    mean_over: Literal["tokens", "samples"] = Field(
        "tokens",
        description="What the loss is the mean of: all answer tokens of a step, so that long answers weigh more; or "
        "samples, each the mean of its own tokens, so that a letter weighs as much as a caption.",
    )


class OptimConfig(Section):
    """AdamW and its schedule."""

    lr: float = Field(1e-6, gt=0, description="Peak learning rate.")
    lr_of: dict[TrainedPart, Annotated[float, Field(gt=0)]] = Field(
        {}, description="Learning rates of single parts: vision, projector, language, adapter, routers."
    )
    warmup_steps: int = Field(0, ge=0, description="Steps of linear warmup.")
    schedule: Literal["constant", "linear", "cosine"] = Field("linear", description="Learning rate after the warmup.")
    final_lr_share: float = Field(0.0, ge=0, le=1, description="Final learning rate as a share of lr.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), description="AdamW's betas."
    )
    eps: float = Field(1e-8, gt=0, description="AdamW's epsilon.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    moments: Literal["full", "8bit", "host"] = Field(
        "full",
        description="Storage of AdamW's moments: full, 8bit (bitsandbytes), or host (in host memory between steps).",
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="bf16: autocast; weights keep their data type."
    )


class PackingConfig(Section):
    train_tokens: int = Field(32768, ge=1, description="Maximum tokens per learner pass; groups are never split.")
    rollout_tokens: int = Field(65536, ge=1, description="Maximum tokens per decoding batch.")


class CheckpointConfig(Section):
    every: int = Field(100, ge=0, description="Steps between checkpoints; 0: only at the end.")
    keep: int = Field(2, ge=1, description="Number of checkpoints to keep; older ones are deleted.")
    export: Literal["adapter", "merged"] = Field(
        "adapter", description="With an adapter: merged also writes model/, the merged model."
    )
    asynchronous: bool | None = Field(None, description="Write checkpoints while training continues. None: on GPUs.")


class EvalConfig(Section):
    data: str | None = Field(None, description="Samples to evaluate on during training, as in data.train.")
    every: int = Field(0, ge=0, description="Steps between evaluations; 0: no evaluation during training.")
    max_new_tokens: int = Field(256, ge=1, description="Maximum tokens per answer.")


class SelectConfig(Section):
    """`reeltune select`. Everything else is as in training: rl.top_p, rl.top_k, rl.max_new_tokens, rewards, seed."""

    repeats: int = Field(8, ge=2, description="K, completions per sample.")
    temperature: float | None = Field(None, gt=0, description="None: rl.temperature.")
    tasks: list[str] = Field([], description="Only samples of these tasks; none: all tasks.")
    batch_size: int = Field(32, ge=1, description="Samples per batch; a kill loses at most one batch.")


class ToyworldConfig(Section):
    dir: str = Field("runs/toyworld", description="Folder in which generated videos are kept between runs.")
    edition: Literal[1, 2] = Field(
        1, description="Edition of toyworld: its videos and questions, and its own toyworld:base and toyworld:new."
    )
    train_videos: int = Field(400, ge=1, description="Number of training videos.")
    held_out_videos: int = Field(256, ge=1, description="Number of held-out videos.")
    seed: int = Field(0, description="Seed of the generated videos.")


class Recipe(Section):
    """Everything a run depends on. `parse_recipe` and `load_recipe` raise one InputError with all broken rules."""

    method: Literal["grpo", "sft", "distill"] = Field(
        description="GRPO, supervised fine-tuning, or on-policy distillation."
    )
    seed: int = Field(0, description="Seed of all random numbers of a run.")
    model: ModelConfig
    adapter: AdapterConfig | None = Field(None, description="LoRA adapter; {}: rank 16 in the language model.")
    data: DataConfig
    video: VideoConfig = VideoConfig()
    rewards: RewardConfig = RewardConfig()
    judge: JudgeConfig = JudgeConfig()
    rollout: RolloutConfig = RolloutConfig()
    rl: RLConfig = RLConfig()
    watch: WatchConfig = WatchConfig()
    sft: SFTConfig = SFTConfig()
    distill: DistillConfig | None = Field(None, description="Settings of method distill.")
    optim: OptimConfig = OptimConfig()
    parallel: ParallelConfig = ParallelConfig()
    packing: PackingConfig = PackingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    eval: EvalConfig = EvalConfig()
    select: SelectConfig = SelectConfig()
    toyworld: ToyworldConfig = ToyworldConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        for problem in (training_problem(self), distill_problem(self), rollout_problem(self)):
            if problem:
                raise ValueError(problem)
        return self

    @property
    def rounding(self) -> Literal["float32", "bf16"]:
        """The coarsest numbers that log-probs come from: what rollout and learner may differ by goes by them."""
        coarse = "bfloat16" in (self.model.dtype, self.parallel.param_dtype) or self.optim.precision == "bf16"
        return "bf16" if coarse else "float32"

    @property
    def samples_completions(self) -> bool:
        """Whether a step rolls out: `rl` says how. SFT's completions are the gold answers."""
        return self.method != "sft"

    @property
    def group_size(self) -> int:
        """G, completions per prompt."""
        return self.distill.group_size if self.distill else self.rl.group_size if self.samples_completions else 1

    @property
    def steps(self) -> int:
        return self.rl.steps if self.samples_completions else self.sft.steps

    @property
    def frame_cache(self) -> Path:
        """Where decoded frames are kept: beside the run, for all runs of a folder, where video.cache does not say."""
        return Path(self.video.cache) if self.video.cache else Path(self.run.dir).parent / "frame-cache"

    @property
    def temperature(self) -> float:
        """Of the log-probs that are trained."""
        return self.rl.temperature if self.samples_completions else 1.0

    @property
    def samples_per_step(self) -> int:
        return self.rl.groups_per_step if self.samples_completions else self.sft.samples_per_step


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a YAML recipe; `overrides` are `section.key=value` with YAML values.

    Raises:
        InputError: the file is missing or not YAML, or a key or value breaks a rule; all violations are listed.
    """
    return parse_recipe(load_tree(path, overrides), where=str(path))


def parse_recipe(tree: dict[str, Any], *, where: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(f"  {explain(dict(each), Recipe)}" for each in error.errors())
        raise InputError(f"{where}: the recipe breaks these rules:\n{problems}") from None
