"""Recipes as text: whatever bytes they are, the outcome is a mapping or one message that says what to do."""

import logging
import time
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reeltune.config.recipe import Recipe
from reeltune.config.tree import MAX_DEPTH, RENAMED, apply_override, load_tree, parse_yaml, rename
from reeltune.errors import InputError

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_the_alias_bomb_is_one() -> None:
    tree = yaml.safe_load(LAUGHS)
    assert len(LAUGHS) < 400 and len(tree["i"]) == 9 and tree["i"][0] is tree["i"][8]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a: [1, 2\n", r"recipe\.yaml is not valid YAML: .*line 2, column 1"),
        (b"a: {" * 40, "nested deeper than 32 levels"),
        (b"[" * 2**20, "nested deeper than 32 levels"),
        (b"- " * 5000, "nested deeper than 32 levels"),
        (LAUGHS.encode(), "contains more than 200000 values"),
        (b"a: &a [*a]\n", r"contains itself: the alias \*a"),
        (b"a: *b\n", "undefined alias"),
        (b"# " + b"x" * 2**20, "larger than 1024 KiB"),
        ("a: b\nc: \u00fc\n".encode("latin-1"), "not UTF-8 text: byte 0xfc in line 2; save it as UTF-8"),
        ("a: b\n".encode("utf-16"), "not UTF-8 text"),
        (b"a: \x00\n", "not valid YAML"),
        (b"a: 2026-13-45\n", "month must be in 1..12.*quote the value"),
        (b"a: " + b"9" * 5000, "not valid YAML: .*digits"),
        (b"? [1]\n: 2\n", "not valid YAML: found unhashable key"),
        (b"a: !!python/object/apply:os.system [ls]\n", "not valid YAML: could not determine a constructor"),
        (b"rl: {steps: 1}\nrl: {steps: 2}\n", "the key 'rl' is already in line 1 .line 2"),
        (b"a\n", "must be a mapping of sections; got str"),
        (b"", "must be a mapping of sections; got NoneType"),
    ],
)
def test_what_cannot_be_a_recipe_is_one_message(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(data)
    started = time.process_time()
    with pytest.raises(InputError, match=words) as caught:
        load_tree(path)
    assert time.process_time() - started < 5 and str(caught.value).count("\n") == 0
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("a.b=[", r"override 'a\.b=\[': its value is not valid YAML"),
        ("a.b={x: 1", "its value is not valid YAML"),
        ("a.b=*x", "undefined alias"),
        ("a.b=" + "[" * 100, "nested deeper"),
        ("a.b=\udcff", "not valid YAML"),
        ("a..b=1", "must look like section.key=value"),
        ("=1", "must look like section.key=value"),
        ("a.b", "must look like section.key=value"),
        ("list.0.x=1", "'list' is a value, not a section"),
    ],
)
def test_broken_overrides_are_one_message(override: str, words: str) -> None:
    tree: dict[str, Any] = {"list": [1]}
    with pytest.raises(InputError, match=words):
        apply_override(tree, override)
    assert tree == {"list": [1]}


def test_overrides_reach_into_a_section_that_is_empty() -> None:
    tree: dict[str, Any] = {"rl": None}
    apply_override(tree, "rl.skipping.explore=0.5")
    apply_override(tree, "rl.steps=")
    assert tree == {"rl": {"skipping": {"explore": 0.5}, "steps": None}}


def test_anchors_and_merges_within_bounds_are_read() -> None:
    text = "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\nagain: *base\n"
    assert parse_yaml(text, where="text") == yaml.safe_load(text)
    deep = "{a: " * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert parse_yaml(deep, where="text") == yaml.safe_load(deep)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes("a: ü\n".encode("utf-8-sig"))
    assert load_tree(tmp_path / "recipe.yaml") == {"a": "ü"}


@given(st.text(max_size=60) | st.text("[]{}:,-*&!|>'\"\n ?#a0", max_size=60))
def test_any_text_is_a_value_or_an_input_error(text: str) -> None:
    try:
        parse_yaml(text, where="text")
    except InputError as error:
        assert str(error).startswith("text ")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner))


@given(TREES)
def test_what_yaml_writes_is_read_back(tree: Any) -> None:
    assert parse_yaml(yaml.safe_dump(tree), where="text") == tree


def test_old_names_are_read_with_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("rewards: {generalised_iou: true}\n")
    with caplog.at_level(logging.WARNING):
        assert load_tree(path) == {"rewards": {"generalized_iou": True}}
    assert caplog.messages == [
        "rewards.generalised_iou was renamed to rewards.generalized_iou; the old name still works"
    ]
    assert load_tree(path, ["rewards.generalised_iou=false"]) == {"rewards": {"generalized_iou": False}}


def test_an_old_name_beside_its_new_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"both are set; remove a\.old"):
        rename({"a": {"old": 1}, "b": {"new": 2}}, {"a.old": "b.new"})
    tree: dict[str, Any] = {"a": {"old": 1}}
    rename(tree, {"a.old": "b.c.new"})
    assert tree == {"a": {}, "b": {"c": {"new": 1}}}
    rename(tree, {"b.old": "b.c.new"})
    assert tree == {"a": {}, "b": {"c": {"new": 1}}}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_new_names_are_keys_of_recipes_and_old_ones_are_not(old: str, new: str) -> None:
    def known(path: str) -> bool:
        section: Any = Recipe
        *parents, leaf = path.split(".")
        for parent in parents:
            annotation = section.model_fields[parent].annotation
            # A section that may be left out.
            section = next((each for each in get_args(annotation) if hasattr(each, "model_fields")), annotation)
        # A free mapping, such as rewards.options, takes any key.
        return leaf in section.model_fields if hasattr(section, "model_fields") else section is not None

    assert known(new) and not known(old)
