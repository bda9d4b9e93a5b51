"""LoRA in place: off it is the base, merged it is itself, and peft opens its folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from tests.models.families.test_frames import build, class_of
from torch import nn
from transformers import AutoModelForImageTextToText

from reeltune import toyworld
from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.model import AdapterConfig
from reeltune.errors import InputError
from reeltune.models.adapter import adapter_tensors, as_initial, install, merge, target_names
from reeltune.models.adapter_folder import fill, open_folder, put_in_place, save_adapter
from reeltune.models.mixture_of_depths.checkpoint import open_routed
from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Completions, Group
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
CONFIG = AdapterConfig(rank=4, alpha=8)


def make_groups(policy: Policy, clip: Any) -> list[Group]:
    generator = torch.Generator().manual_seed(0)
    groups = []
    for text in ("When?", "When does it end?"):
        prompt = policy.prompt(text, clip)
        ids = torch.randint(5, 200, (3, 5), generator=generator)
        with torch.no_grad():
            features = policy.encode([clip])[0]
        groups.append(Group(prompt, features, Completions(ids, torch.ones_like(ids).bool())))
    return groups


def stir(policy: Policy) -> None:
    """As if it had trained: the second matrices are 0 at first, and routers too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in adapter_tensors(policy).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)


def log_probs(policy: Policy, groups: list[Group]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([each.flatten() for each in group_log_probs(policy, groups)])


@pytest.fixture(params=FAMILIES)
def directory(request: Any, tiny_models: Any) -> Path:
    return tiny_models(request.param)


@pytest.fixture
def clip(directory: Path, clip_of: Any) -> Any:
    return clip_of(side=64 if "qwen3" in directory.name else 56)


def test_off_is_the_base_and_on_is_not(directory: Path, clip: Any) -> None:
    policy = load_policy(directory)
    kind, groups = type(policy.model), make_groups(policy, clip)
    base = log_probs(policy, groups)
    install(policy, CONFIG)
    assert type(policy.model) is kind
    assert torch.equal(log_probs(policy, groups), base), "a new adapter must change nothing"
    stir(policy)
    adapted = log_probs(policy, groups)
    assert (adapted - base).abs().max() > 1e-3
    with as_initial(policy):
        assert torch.equal(log_probs(policy, groups), base)
    assert torch.equal(log_probs(policy, groups), adapted)


def test_only_the_adapter_trains(directory: Path, clip: Any) -> None:
    policy = load_policy(directory, gradient_checkpointing=True)
    install(policy, CONFIG)
    stir(policy)
    policy.train()
    with as_initial(policy):
        pass
    sum(each.sum() for each in group_log_probs(policy, make_groups(policy, clip))).backward()
    with_gradient = {name for name, each in policy.named_parameters() if each.grad is not None}
    assert with_gradient == {name for name, _, part in policy.trained() if part == "adapter"}
    assert len(with_gradient) == 2 * 7 * 3  # two matrices, seven layers of a block, three blocks
    assert all(each.grad.abs().sum() > 0 for each in policy.parameters() if each.grad is not None)


def test_rollout_and_learner_agree(directory: Path, clip: Any) -> None:
    policy = load_policy(directory)
    install(policy, CONFIG)
    stir(policy)
    groups = make_groups(policy, clip)
    requests = [Request(group.prompt, group.features, seed=3) for group in groups]
    found = HFEngine(policy).generate(requests, 2, SamplingParams(max_new_tokens=8))
    again = [Group(a.prompt, a.features, b.completions) for a, b in zip(groups, found, strict=True)]
    with torch.no_grad():
        for ours, rollout in zip(group_log_probs(policy, again), found, strict=True):
            assert (ours - rollout.log_probs)[rollout.completions.mask].abs().max() < 1e-5


def test_peft_opens_the_folder_and_stock_transformers_the_merged_model(
    directory: Path, clip: Any, tmp_path: Path
) -> None:
    policy = load_policy(directory)
    install(policy, AdapterConfig(rank=4, alpha=8, targets="all"), projector=True)
    stir(policy)
    group = make_groups(policy, clip)[0]
    inputs = {
        "input_ids": group.prompt.input_ids[None],
        "position_ids": policy.family.language_positions(group.prompt.position_ids[:, None]),
        **policy.family.stock_inputs(group.prompt.input_ids[None], list(group.prompt.media)),
    }
    with torch.no_grad():
        ours = policy.model(**inputs).logits
    save_adapter(policy, tmp_path / "adapter")
    policy.save(tmp_path / "merged")
    base = AutoModelForImageTextToText.from_pretrained(directory)
    with torch.no_grad():
        assert (base(**inputs).logits - ours).abs().max() > 1e-3
        opened = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(**inputs).logits
        stock = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged").eval()(**inputs).logits
    assert (opened - ours).abs().max() < 1e-5
    assert (stock - ours).abs().max() < 1e-4
    load_policy(tmp_path / "merged")


def test_merging_keeps_the_model(directory: Path, clip: Any) -> None:
    policy = load_policy(directory)
    names = {name for name, _ in policy.named_parameters()}
    install(policy, CONFIG)
    stir(policy)
    groups = make_groups(policy, clip)
    adapted = log_probs(policy, groups)
    merge(policy)
    assert {name for name, _ in policy.named_parameters()} == names
    assert (log_probs(policy, groups) - adapted).abs().max() < 1e-4


@pytest.mark.parametrize("family", ["llava", "internvl"])
def test_families_of_frames(family: str, tmp_path: Path, clip_of: Any) -> None:
    directory = build(tmp_path / "model", family, class_of(family))
    policy = load_policy(directory)
    groups = make_groups(policy, clip_of(side=56))
    base = log_probs(policy, groups)
    install(policy, AdapterConfig(rank=4, targets="all"))
    stir(policy)
    adapted = log_probs(policy, groups)
    with as_initial(policy):
        assert torch.equal(log_probs(policy, groups), base)
    save_adapter(policy, tmp_path / "adapter")
    again = load_policy(directory)
    put_in_place(again, open_folder(tmp_path / "adapter"))
    assert torch.equal(log_probs(again, groups), adapted)


def test_routers_train_whole_and_come_back(tiny_models: Any, clip_of: Any, tmp_path: Path) -> None:
    directory, routed = tiny_models("qwen3_vl"), MixtureOfDepthsConfig(floor=0.3)
    policy = load_policy(directory, mixture_of_depths=routed)
    groups = make_groups(policy, clip_of())
    base = log_probs(policy, groups)
    install(policy, CONFIG)
    assert {part for _, _, part in policy.trained()} == {"adapter", "routers"}
    stir(policy)
    adapted = log_probs(policy, groups)
    with as_initial(policy):
        assert torch.equal(log_probs(policy, groups), base), "the routers that trained must be off too"
    save_adapter(policy, tmp_path / "adapter")
    folder = open_folder(tmp_path / "adapter")
    assert folder.mixture_of_depths == routed
    again = load_policy(directory, mixture_of_depths=folder.mixture_of_depths)
    put_in_place(again, folder)
    assert torch.equal(log_probs(again, groups), adapted)
    config = load_policy(directory).config
    PeftModel.from_pretrained(open_routed(directory, config, routed), tmp_path / "adapter")
    merge(again)
    assert (log_probs(again, groups) - adapted).abs().max() < 1e-4


def test_going_on_from_an_adapter_has_that_one_as_its_initial_model(
    tiny_models: Any, clip_of: Any, tmp_path: Path
) -> None:
    directory = tiny_models("qwen3_vl")
    first = load_policy(directory)
    install(first, CONFIG)
    stir(first)
    groups = make_groups(first, clip_of())
    before = log_probs(first, groups)
    save_adapter(first, tmp_path / "adapter")
    policy, folder = load_policy(directory), open_folder(tmp_path / "adapter")
    install(policy, CONFIG, seed=5)
    fill(policy, folder)
    put_in_place(policy, folder, name="initial", trains=False)
    stir(policy)
    after = log_probs(policy, groups)
    with as_initial(policy):
        assert torch.equal(log_probs(policy, groups), before)
    assert torch.equal(log_probs(policy, groups), after) and not torch.equal(before, after)
    trained = [name for name, _, _ in policy.trained()]
    assert len(trained) == 42 and not any(".initial." in name for name in trained)
    save_adapter(policy, tmp_path / "second")
    assert not any("initial" in name for name in adapter_tensors(policy))


def test_four_bits_compute_in_the_dtype_that_is_asked_for() -> None:
    """Where a CPU has bfloat16 instructions bitsandbytes rounds what its layers are given, to 4e-2 in a log-prob: more
    than the self-check allows in float32."""
    pytest.importorskip("bitsandbytes")
    policy = load_policy(Path(toyworld.__file__).parent / "base", quantize=True).eval()
    layers = [each for each in policy.model.modules() if type(each).__name__ == "Linear4bit"]
    given = torch.randn(8, layers[0].in_features)
    with torch.no_grad():
        assert policy.model.dtype == torch.float32 and not torch.equal(
            layers[0](given), layers[0](given.bfloat16().float())
        )


def test_a_base_in_four_bits(tiny_models: Any, clip_of: Any) -> None:
    directory = tiny_models("qwen3_vl")
    policy = load_policy(directory, quantize=True)
    kinds = {name: type(module).__name__ for name, module in policy.model.named_modules()}
    four = [name for name, kind in kinds.items() if kind == "Linear4bit"]
    assert len(four) == 21 and all("language_model" in name for name in four)
    groups = make_groups(policy, clip_of())
    base = log_probs(policy, groups)
    assert 0 < (base - log_probs(load_policy(directory), groups)).abs().max() < 2
    install(policy, CONFIG)
    stir(policy)
    with as_initial(policy):
        assert torch.equal(log_probs(policy, groups), base)
    policy.train()
    sum(each.sum() for each in group_log_probs(policy, groups)).backward()
    assert {name for name, each in policy.named_parameters() if each.grad is not None} == {
        name for name, _, _ in policy.trained()
    }


def test_targets_by_part_end_and_pattern(tiny_models: Any) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    modules = dict(policy.model.named_modules())
    for targets in ("language", "vision", "all", ["q_proj", "mlp.up_proj"], r".*layers\.0\.mlp\..*"):
        names = target_names(policy, targets)
        assert names and all(isinstance(modules[name], nn.Linear) for name in names)
    assert len(target_names(policy, "language")) == 21
    assert all("visual" in name for name in target_names(policy, "vision"))
    assert len(target_names(policy, ["q_proj", "mlp.up_proj"])) == 6
    install(policy, AdapterConfig(targets=r".*layers\.0\.mlp\..*"))
    assert len(policy.trained()) == 6


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["q_proj", "kproj"], r"adapter.targets='kproj': it matches no linear layer.*did you mean 'k_proj'"),
        (r".*\.query", "no linear layer"),
        ("[", "not a regular expression"),
    ],
)
def test_unknown_targets(targets: Any, message: str, tiny_models: Any) -> None:
    with pytest.raises(InputError, match=message):
        install(load_policy(tiny_models("qwen3_vl")), AdapterConfig(targets=targets))


def test_an_adapter_of_another_base_is_refused(tiny_models: Any, tmp_path: Path) -> None:
    policy = load_policy(tiny_models("qwen3_vl"))
    install(policy, CONFIG)
    save_adapter(policy, tmp_path / "adapter")
    with pytest.raises(InputError, match="adapter of another base"):
        open_folder(tmp_path / "adapter", tiny_models("qwen2_5_vl"))
    with pytest.raises(InputError, match=r"model\.base="):
        open_folder(tmp_path / "adapter", tmp_path / "nowhere")
    (tmp_path / "adapter" / "adapter_base.json").unlink()
    other = load_policy(tiny_models("qwen3_vl"))
    install(other, AdapterConfig(rank=2))
    with pytest.raises(InputError, match="another base or rank"):
        fill(other, open_folder(tmp_path / "adapter"))
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged or cut off"):
        put_in_place(load_policy(tiny_models("qwen3_vl")), open_folder(tmp_path / "adapter"))
