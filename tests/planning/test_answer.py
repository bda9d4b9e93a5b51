"""Does it fit: the published sizes, the devices as they are written, the sums, and what is advised."""

from dataclasses import replace
from pathlib import Path

import pytest

from reeltune.config.recipe import load_recipe
from reeltune.errors import InputError
from reeltune.planning.answer import answer, lines, lora_weights, room, verdict
from reeltune.planning.architecture import Architecture, read_architecture
from reeltune.planning.costs import PromptCost, prompt_cost
from reeltune.planning.hardware import GIB, Devices, parse_devices
from reeltune.planning.known import KNOWN, known_config
from reeltune.planning.memory import Setting, memory
from reeltune.planning.recipe import answer_longest
from reeltune.planning.setting import trained_weights
from reeltune.planning.source import plan_recipe, read_plan

RECIPES = Path(__file__).parents[2] / "recipes"
# Billions of weights that the models' pages and files give.
PUBLISHED = {
    "SmolVLM2-256M": 0.256,
    "Qwen2-VL-2B": 2.21, "Qwen2-VL-7B": 8.29, "Qwen2.5-VL-3B": 3.75, "Qwen2.5-VL-7B": 8.29, "Qwen2.5-VL-32B": 33.5,
    "Qwen2.5-VL-72B": 73.4, "Qwen3-VL-2B": 2.13, "Qwen3-VL-4B": 4.44, "Qwen3-VL-8B": 8.77, "llava-1.5-7b": 7.06,
}  # fmt: skip


def test_known_models_have_their_published_sizes() -> None:
    assert PUBLISHED.keys() == KNOWN.keys()
    for name, billions in PUBLISHED.items():
        assert read_architecture(KNOWN[name], name).weights / 1e9 == pytest.approx(billions, rel=0.01), name


@pytest.mark.parametrize("name", ["Qwen2.5-VL-7B-Instruct", "qwen2.5-vl-7b", "Qwen2.5-VL-7B"])
def test_a_directorys_name_is_enough(name: str) -> None:
    assert known_config(name) is KNOWN["Qwen2.5-VL-7B"]
    assert known_config("Qwen9-VL-7B-Instruct") is None


@pytest.mark.parametrize(
    ("text", "count", "gib", "tflops"),
    [("8x80", 8, 80, 312), ("1x24", 1, 24, 165), ("48", 1, 48, 362), ("2xH100", 2, 80, 989), ("4 x 40GB", 4, 40, 312)],
)
def test_devices_as_they_are_written(text: str, count: int, gib: float, tflops: float) -> None:
    found = parse_devices(text)
    assert (found.count, found.device.gib, found.device.tflops) == (count, gib, tflops)


@pytest.mark.parametrize("text", ["", "x", "8x", "0x80", "8xB9000", "-1x80", "8x0", "eight"])
def test_other_devices_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--devices must look like 8x80"):
        parse_devices(text)


SETTING = Setting(
    samples=True, devices=1, groups=8, group_size=8, max_new_tokens=512, train_tokens=32768, rollout_tokens=65536,
    weight_bytes=4, precision="autocast", checkpointing=True, tower_trains=False, trained=7_614_000_000, reference=True,
)  # fmt: skip
CARD = parse_devices("1x80")


def seven() -> tuple[Architecture, PromptCost]:
    architecture = read_architecture(KNOWN["Qwen2.5-VL-7B"], "7B")
    return architecture, prompt_cost(architecture, text_tokens=64, vision_tokens=3584)


def test_weights_gradients_and_moments_are_counted_once_each() -> None:
    architecture, prompt = seven()
    found = memory(architecture, prompt, SETTING)
    assert found.weights == found.reference == 4 * architecture.weights
    assert (found.gradients, found.moments, found.gathered) == (
        4 * SETTING.trained,
        8 * SETTING.trained,
        2 * SETTING.trained,
    )
    assert found.adapter == 0
    shared = memory(architecture, prompt, replace(SETTING, shards=8, devices=8, gathered_bytes=2))
    assert shared.weights == pytest.approx(found.weights / 8, rel=1e-6)
    assert shared.moments == pytest.approx(found.moments / 8, rel=1e-6)
    # Two layers and the tables, gathered for the passes.
    assert shared.gathered < found.gathered / 4
    # Sampling with our own engine takes the whole weights.
    assert (shared.whole_weights, found.whole_weights) == (2 * architecture.weights, 0)
    away = memory(architecture, prompt, replace(SETTING, shards=8, offload=True))
    assert away.weights == away.moments == 0 and away.gradients == shared.gradients
    assert memory(architecture, prompt, replace(SETTING, moment_bytes=2)).moments == 2 * SETTING.trained


@pytest.mark.parametrize(
    ("freeze", "billions"),
    [("[]", 8.29), ("[vision, projector]", 7.61), ("[vision]", 7.66), ("[vision, language]", 0.045),
     ("[language]", 0.68), ("[projector, language]", 0.63)],
)  # fmt: skip
def test_only_parts_that_train_have_gradients(freeze: str, billions: float) -> None:
    plan = read_plan(RECIPES / "temporal-rlt" / "dual-reward-7b.yaml", [f"model.freeze={freeze}"])
    assert plan.recipe is not None
    assert trained_weights(plan.recipe, plan.architecture) / 1e9 == pytest.approx(billions, rel=0.02)


def test_an_adapter_needs_no_reference_and_few_moments() -> None:
    architecture, prompt = seven()
    adapter = lora_weights(architecture, 16)
    # peft's own count for rank 16 on the seven maps of each of the 28 layers.
    assert adapter == 28 * 16 * ((3584 + 3584) * 2 + (3584 + 512) * 2 + (3584 + 18944) * 3)
    lora = replace(SETTING, rank=16, adapter_weights=adapter, weight_bytes=2, precision="bfloat16")
    found = memory(architecture, prompt, lora)
    assert found.reference == 0 and found.moments == 8 * adapter and found.gradients == 4 * adapter
    quantized = memory(architecture, prompt, replace(lora, quantized=True))
    assert 0.25 < quantized.weights / found.weights < 0.45


def test_what_does_not_fit_is_told_with_the_least_that_helps() -> None:
    architecture, prompt = seven()
    eight = parse_devices("8x80")
    found = answer(architecture, prompt, replace(SETTING, devices=8), eight, steps=100)
    assert not found.fits
    assert found.advice == ("parallel.shard=full parallel.param_dtype=bfloat16",)
    assert "fits: no, because" in verdict(found) and "try parallel.shard=full" in verdict(found)
    helped = answer(architecture, prompt, replace(SETTING, devices=8, shards=8, gathered_bytes=2), eight, steps=100)
    assert helped.fits and verdict(helped).startswith("fits: yes")
    alone = answer(architecture, prompt, SETTING, CARD, steps=100)
    assert [each.split()[0] for each in alone.advice] == ["'adapter={kind:"]
    tiny = answer(architecture, prompt, SETTING, parse_devices("1x2"), steps=100)
    assert tiny.advice == () and "smaller model" in verdict(tiny)


def test_time_is_work_over_what_the_devices_do() -> None:
    architecture, prompt = seven()
    one = answer(architecture, prompt, SETTING, CARD, steps=100)
    device = CARD.device
    wanted = one.work.flops / (device.tflops * 1e12 * 0.4) + one.work.decode_bytes / (device.bandwidth * 1e12 * 0.6)
    assert one.step_seconds == pytest.approx(wanted)
    assert one.seconds_per_group == pytest.approx(wanted / 8)
    assert one.hours == pytest.approx(100 * wanted / 3600)
    twice = answer(architecture, prompt, replace(SETTING, updates=2), CARD, steps=100)
    assert twice.work.flops > 1.5 * one.work.flops
    text = "\n".join(lines(one))
    assert "40% of 312 TFLOPs" in text and "device seconds per group" in text
    # Little is told as little, and not as nothing.
    [small] = [
        line for line in lines(replace(one, work=replace(one.work, flops=1e12, decode_bytes=0))) if "time:" in line
    ]
    assert "time: 0.001 device seconds per group, 0.008 s a step, 0.00022 hours for 100 steps" in small


@pytest.mark.parametrize("file", sorted(str(path.relative_to(RECIPES)) for path in RECIPES.glob("*/*.yaml")))
def test_every_shipped_recipe_is_planned_without_a_model(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no models/, no runs/
    plan = read_plan(RECIPES / file)
    if plan.recipe is None:
        pytest.skip("a plan file, not a recipe")
    found = answer_longest(plan, parse_devices("8x80"))
    assert 0 < found.memory.peak < 1024 * GIB and found.hours > 0
    assert found.fits or found.advice


def test_a_recipe_on_anothers_checkpoint_has_its_model(tmp_path: Path) -> None:
    plan = read_plan(RECIPES / "p-mod/toy-grpo.yaml")
    base = read_plan(RECIPES / "toy/grpo.yaml")
    assert plan.architecture == base.architecture and plan.routing is not None
    assert (
        base.architecture.decoder.layers == 4
        and read_plan(RECIPES / "toy/grpo-2.yaml").architecture.decoder.layers == 5
    )
    recipe = load_recipe(RECIPES / "p-mod/toy-grpo.yaml")
    with pytest.raises(InputError, match="its name is none of"):
        plan_recipe(recipe, name="alone", beside=tmp_path)


def test_room_leaves_some_to_the_device() -> None:
    assert 0.9 < room(Devices(1, CARD.device)) / (80 * GIB) < 1
