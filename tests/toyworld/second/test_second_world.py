"""The second edition's scenes: names without doubt, boxes on the grid, splits that do not meet."""

from itertools import pairwise

import numpy as np
import pytest

from reeltune.toyworld.second.world import GRID, WORLDS, Settings, draw, draw_parade
from reeltune.toyworld.world import COLORS, UNSEEN, Scene, is_held_out, render


def scenes(settings: Settings, count: int = 60) -> list[Scene]:
    rng = np.random.default_rng(3)
    return [draw(rng, settings) for _ in range(count)]


@pytest.mark.parametrize("split", WORLDS)
def test_scenes_keep_their_worlds_bounds_and_names_are_unique(split: str) -> None:
    settings = WORLDS[split]
    for scene in scenes(settings, 30):
        assert settings.shortest <= scene.duration <= settings.longest
        assert settings.objects[0] <= len(scene.things) <= settings.objects[1]
        names = [(t.color, t.shape) for t in scene.things]
        names += [(t.recolor[1], t.shape) for t in scene.things if t.recolor]
        assert len(set(names)) == len(names)
        assert {color for color, _ in names} <= set(settings.colors)


def test_the_harder_splits_are_harder() -> None:
    easy = WORLDS["held_out"]
    assert WORLDS["held_out_long"].shortest > easy.longest
    assert WORLDS["held_out_many"].objects[0] > easy.objects[1]
    assert set(WORLDS["held_out_colors"].colors) == set(UNSEEN) and not set(UNSEEN) & set(COLORS)


def test_boxes_stand_on_the_grid_and_hold_the_pixels() -> None:
    moved = 0
    for scene in scenes(Settings(objects=(1, 1), noisy_share=0.0)):
        [thing] = scene.things
        frames = render(scene)
        for frame, time in zip(frames, scene.times, strict=True):
            if not thing.visible_at(time):
                continue
            box = np.array(thing.box_at(time))
            assert np.allclose(box / GRID, np.round(box / GRID)) and box.min() >= -1e-9 and box.max() <= 1 + 1e-9
            rows, columns = np.nonzero((frame != scene.background).any(axis=-1))
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / scene.side
            assert np.abs(found - box).max() <= 2 / scene.side  # the tip of a triangle is narrower than a pixel
        moved += any(thing.box_at(a) != thing.box_at(b) for a, b in pairwise(scene.times))
    assert moved > 10


def test_some_shapes_share_a_color_or_a_form_and_none_does_where_that_is_ruled_out() -> None:
    def alike(settings: Settings) -> float:
        found = [scene for scene in scenes(settings, 100) if len(scene.things) > 1]
        pairs = [(a, b) for scene in found for a in scene.things for b in scene.things if a is not b]
        return float(np.mean([a.color == b.color or a.shape == b.shape for a, b in pairs]))

    assert alike(Settings(near_miss=1.0)) > 0.5
    assert alike(Settings(near_miss=0.0)) == 0


def test_a_parade_shows_one_shape_at_a_time() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = draw_parade(rng, Settings(2, 3))
        assert all(sum(t.visible_at(time) for t in scene.things) <= 1 for time in scene.times)


def test_equal_seeds_equal_scenes_and_the_shares_of_held_out_scripts() -> None:
    first, again = scenes(Settings(), 200), scenes(Settings(), 200)
    assert first == again
    assert 0.1 < np.mean([is_held_out(scene) for scene in first]) < 0.3


def test_places_of_a_first_lesson_lie_far_apart() -> None:
    rng = np.random.default_rng(0)
    parade = [draw_parade(rng, Settings(2, 4, places=0.35)) for _ in range(40)]
    edges = {
        round(edge, 4) for scene in parade for thing in scene.things for edge in thing.box_at(thing.visible[0][0])[:2]
    }
    assert edges == {0.0, 0.35, 0.7}
    fine = {round(float(t.box_at(t.visible[0][0])[0]), 4) for scene in scenes(Settings()) for t in scene.things}
    assert len(fine) > 10
