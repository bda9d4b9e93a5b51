"""A model that our passes would run differently is refused when it is loaded; so is what they need and do not find."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.models.families.generated import build, class_of

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models import _transformers, self_check
from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix import attention, decoding, last_layer

FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "internvl"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            built[name] = build(tmp_path_factory.mktemp(name) / "model", name, class_of(name))
        return built[name]

    return get


def refused(directory: Path, what: str, **options: Any) -> str:
    with pytest.raises(InputError, match=what) as caught:
        load_policy(directory, **options)
    message = str(caught.value)
    assert f"transformers {transformers.__version__}" in message
    assert f"torch {torch.__version__}" in message
    return message


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_that_completions_do_not_see_are_found(name: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two passes of the row are not merged: each completion attends to itself alone."""
    load_policy(model(name))
    monkeypatch.setattr(attention.RowAttention, "pairs", lambda self, missing: [])
    refused(model(name), r"one row with its prompt once differs from the stock model by \d")
    load_policy(model(name), self_check=False)


def test_an_attention_that_ignores_us_is_found(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`shared` stops arriving at the attention function: completions in one row see each other."""

    def deaf(base: Any) -> Any:
        return lambda *args, shared=None, **kwargs: base(*args, **kwargs)

    monkeypatch.setattr(attention, "_in_front_of", deaf)
    monkeypatch.setattr(_transformers, "PREFIX", "deaf_")
    refused(model("qwen2_vl"), "differs from the stock model|not.*recorded|prompt")


def test_a_wrong_decoding_step_is_found(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = decoding.Decoder.attend

    def without_scale(self: Any, layer: int, query: Any, key: Any, value: Any, scale: float, *window: Any) -> Any:
        return attend(self, layer, query, key, value, 2 * scale, *window)

    monkeypatch.setattr(decoding.Decoder, "attend", without_scale)
    refused(model("qwen3_vl"), "a decoding step over the prompt's keys differs")


def test_nan_is_a_difference(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = self_check.group_log_probs
    monkeypatch.setattr(self_check, "group_log_probs", lambda *args: [each * float("nan") for each in found(*args)])
    assert "by nan in a log-prob" in refused(model("qwen3_vl"), "one row")


def test_a_routed_model_is_checked_over_transformers_cache_too(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What 5.24.0 did to us: the routed layer does not see its cache, which came under another name."""
    from reeltune.models.mixture_of_depths import cache, layer

    routing = MixtureOfDepthsConfig()
    load_policy(model("qwen3_vl"), mixture_of_depths=routing)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="cache"):
        patch.setattr(layer, "CACHE", "a_name_of_another_release")
        load_policy(model("qwen3_vl"), mixture_of_depths=routing)
    update = cache.RoutedCacheLayer.update

    def shifted(self: Any, *args: Any, **kwargs: Any) -> Any:
        keys, values = update(self, *args, **kwargs)
        return (keys.roll(1, -2) if args[0].shape[-2] == 1 else keys), values

    monkeypatch.setattr(cache.RoutedCacheLayer, "update", shifted)
    refused(model("qwen3_vl"), "a step over transformers' cache differs", mixture_of_depths=routing)


@pytest.mark.parametrize("argument", ["hidden_states", "position_embeddings"])
def test_an_argument_that_disappeared_raises(argument: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer

    names = [name for name in ("self", "hidden_states", "position_embeddings", "position_ids") if name != argument]
    scope: dict[str, Any] = {}
    exec(f"def forward({', '.join(names)}, **kwargs): ...", scope)
    monkeypatch.setattr(Qwen3VLTextDecoderLayer, "forward", scope["forward"])
    refused(model("qwen3_vl"), rf"does not accept \['{argument}'\]")


def test_the_check_leaves_random_numbers_and_the_mode_alone(model: Any) -> None:
    directory = model("qwen3_vl")  # made, with random numbers of its own, where no test before asked for it
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    policy = load_policy(directory)
    assert torch.equal(torch.rand(3), wanted)
    for mode in (True, False):
        self_check.check_against_stock(policy.train(mode))
        assert policy.training == policy.language_model.training == mode
    assert all(parameter.grad is None for parameter in policy.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_check_passes_in_every_precision_and_costs_few_tokens(
    dtype: torch.dtype, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[int] = []
    policy = load_policy(model("qwen3_vl"), dtype=dtype, self_check=False)
    policy.language_model.layers[0].register_forward_hook(lambda _m, args, _o: tokens.append(args[0].shape[:2].numel()))
    self_check.check_against_stock(policy)
    assert len(tokens) <= 4
    assert sum(tokens) < 250


def test_last_layer_of_this_module_is_what_the_check_covers(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrowed last layer that takes the wrong tokens is a difference too."""
    monkeypatch.setattr(last_layer, "wanted", lambda row: last_layer.torch.arange(1 + row.completion_tokens))
    refused(model("qwen2_vl"), "one row with its prompt once differs")
