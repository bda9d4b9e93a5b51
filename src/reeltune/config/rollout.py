"""Who samples completions: the section `rollout` of a recipe, and what of `rl` an engine of servers cannot do."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from reeltune.config.section import Section

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe

VLLM = "vllm"


class LaunchConfig(Section):
    """The servers start and stop with the run, on this machine."""

    replicas: int = Field(1, ge=1, description="Number of servers, each on its own GPUs.")
    tensor: int = Field(1, ge=1, description="GPUs per server.")
    python: str = Field("python", description="Python of the environment that has vLLM.")
    port: int = Field(8100, ge=1, le=65535, description="Port of the first server; the others use the following ports.")
    first_gpu: int = Field(0, ge=0, description="Index of the first GPU for servers; training uses those before it.")
    options: list[str] = Field([], description="Further arguments for vLLM.")
    ready_s: float = Field(900.0, gt=0, description="Time limit for starting a server, in seconds.")


class RolloutConfig(Section):
    """The engine that samples completions. Settings of servers apply to `vllm`."""

    engine: str = Field(
        "hf", description="hf, vllm, or your own module:object / file.py:object, (policy, recipe) -> engine."
    )
    servers: list[str] = Field([], description="Addresses http://HOST:PORT of servers started by `reeltune serve`.")
    launch: LaunchConfig | None = Field(
        None, description="Start servers together with the run, instead of using `servers` ({}: with defaults)."
    )
    media: Literal["embeds", "frames"] = Field(
        "embeds", description="embeds: send the learner's features; frames: servers read frames from a shared disk."
    )
    publish: Literal["disk", "lora", "nccl"] = Field(
        "disk",
        description="How servers get new weights: disk (the complete model) or lora (only the adapter), as files.",
    )
    publish_dir: str | None = Field(
        None, description="Folder of these files, visible to all servers; none: RUN/published."
    )
    max_staleness: int = Field(
        0, ge=0, description="Number of steps that rollouts are ahead of the update; 0: synchronous."
    )
    timeout_s: float = Field(
        600.0, gt=0, description="Time limit for one request and for publishing weights, in seconds."
    )
    retries: int = Field(3, ge=1, description="Retries of a request, each on another server if possible.")
    min_servers: int = Field(
        1, ge=1, description="Minimum number of responding servers; fewer for timeout_s end the run with exit code 75."
    )

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: list[str]) -> list[str]:
        for each in servers:
            host = each.partition("://")[2]
            if not each.startswith(("http://", "https://")) or not host.strip("/") or any(c in each for c in "@?# "):
                raise ValueError(
                    f"a server must look like http://HOST:PORT, without a path, user or query; got {each!r}"
                )
            if host.rstrip("/").count("/"):
                raise ValueError(f"give only the address of a server, without a path; got {each!r}")
        found = [each.rstrip("/") for each in servers]
        if len(set(found)) < len(found):
            raise ValueError(f"a server is listed twice in {found}")
        return found


def rollout_problem(recipe: "Recipe") -> str | None:
    """What of the section does not fit the rest of the recipe, in words."""
    rollout = recipe.rollout
    for problem in (_staleness(recipe), _servers(rollout)):
        if problem:
            return problem
    if rollout.engine != VLLM:
        return None
    if rollout.publish == "nccl":
        return (
            "rollout.publish=nccl is not supported yet: it needs GPUs shared by learner and servers and has not "
            "been tested; use disk (an in-memory folder such as /dev/shm is fast), or lora"
        )
    if rollout.publish == "lora":
        return _adapter(recipe)
    return None


def log_probs_problem(recipe: "Recipe") -> str | None:
    """What nobody may train on: log-probs of another distribution than the learner's. In words."""
    rl = recipe.rl
    if recipe.rollout.engine == VLLM and recipe.samples_completions and (rl.top_p < 1 or rl.top_k > 0):
        return (
            f"rl.top_p={rl.top_p:g} and rl.top_k={rl.top_k}: a server's log-probs are computed after truncation, "
            "the learner's before it. With rollout.engine=vllm set rl.top_p=1 and rl.top_k=0"
        )
    return None


def _servers(rollout: RolloutConfig) -> str | None:
    given = bool(rollout.servers) + (rollout.launch is not None)
    if rollout.engine == VLLM and given != 1:
        return "rollout.engine=vllm needs exactly one of rollout.servers and rollout.launch"
    if rollout.engine == "hf" and given:
        return (
            "rollout.engine=hf uses no servers: set rollout.engine to vllm, or remove rollout.servers and "
            "rollout.launch"
        )
    count = rollout.launch.replicas if rollout.launch else len(rollout.servers)
    if rollout.engine == VLLM and rollout.min_servers > count:
        return f"rollout.min_servers={rollout.min_servers} is more than the {count} configured"
    return None


def _staleness(recipe: "Recipe") -> str | None:
    if recipe.rl.correction != "none" and recipe.method != "grpo":
        return f"rl.correction={recipe.rl.correction} needs method grpo; with {recipe.method} it must be none"
    if recipe.rollout.max_staleness == 0:
        return None
    if recipe.method != "grpo":
        return f"rollout.max_staleness needs method grpo; with {recipe.method} it must be 0"
    if recipe.rl.skipping:
        return (
            "rollout.max_staleness > 0 samples before the rewards that rl.skipping uses are known: remove "
            "rl.skipping, or set rollout.max_staleness to 0"
        )
    if recipe.rl.gold_in_group != "never":
        return "rollout.max_staleness > 0: a gold completion has no behavior log-probs; set rl.gold_in_group to never"
    return None


def _adapter(recipe: "Recipe") -> str | None:
    if recipe.adapter is None:
        return "rollout.publish=lora publishes an adapter, but the recipe has none: add adapter, or use disk"
    if "projector" not in recipe.model.freeze or recipe.model.mixture_of_depths:
        return (
            "rollout.publish=lora: vLLM accepts only low-rank matrices, but complete modules also train here; add "
            "projector to model.freeze, or use rollout.publish=disk"
        )
    return None
