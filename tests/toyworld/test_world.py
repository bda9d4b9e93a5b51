import numpy as np
import pytest

from reeltune.toyworld.world import COLORS, SHAPES, Scene, Thing, WorldSettings, draw_scene, is_held_out, render


def scenes(count: int, *, seed: int = 0, objects: int = 3) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, objects) for _ in range(count)]


def scene_of(*things: Thing) -> Scene:
    return Scene(things, duration=4.0, fps=2, side=64, background=20, quality="clean", noise_seed=0)


def thing(**changes: object) -> Thing:
    plain = {
        "color": "red",
        "shape": "square",
        "role": "appears",
        "size": 0.25,
        "visible": ((1.0, 3.0),),
        "start": (0.25, 0.5),
        "stop": (0.25, 0.5),
    }
    return Thing(**{**plain, **changes})  # type: ignore[arg-type]


def pixels_of(frame: np.ndarray, color: str) -> np.ndarray:
    return np.argwhere((frame == COLORS[color]).all(-1))


def test_equal_seeds_give_equal_scenes_and_pixels() -> None:
    first, second = scenes(5, seed=3), scenes(5, seed=3)
    assert first == second
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(render(one), render(other))
    assert len({scene.digest() for scene in first + scenes(5, seed=4)}) == 10


def test_a_shape_is_drawn_exactly_where_and_when_the_truth_says() -> None:
    scene = scene_of(thing())
    frames = render(scene)
    assert frames.shape == (8, 64, 64, 3)
    for time, frame in zip(scene.times, frames, strict=True):
        seen = pixels_of(frame, "red")
        assert bool(len(seen)) == (1.0 <= time < 3.0)
        if len(seen):
            # A quarter of 64 pixels about (16, 32): columns 8..23, rows 24..39.
            assert seen.min(0).tolist() == [24, 8]
            assert seen.max(0).tolist() == [39, 23]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_is_tight_around_the_pixels_of_every_shape(shape: str) -> None:
    drawn = thing(shape=shape, start=(0.4, 0.6), stop=(0.4, 0.6), size=0.3)
    seen = pixels_of(render(scene_of(drawn))[2], "red")
    x0, y0, x1, y1 = (edge * 64 for edge in drawn.box_at(1.0))
    (top, left), (bottom, right) = seen.min(0), seen.max(0) + 1
    assert np.abs(np.array([left, top, right, bottom]) - [x0, y0, x1, y1]).max() <= 1.5


def test_motion_goes_evenly_and_color_changes_at_its_second() -> None:
    mover = thing(visible=((0.0, 4.0),), stop=(0.75, 0.5), moving=(1.0, 3.0))
    assert [mover.center_at(time)[0] for time in (0.0, 1.0, 2.0, 3.0, 3.5)] == [0.25, 0.25, 0.5, 0.75, 0.75]
    changer = thing(visible=((0.0, 4.0),), recolor=(2.0, "blue"))
    frames = render(scene_of(changer))
    assert len(pixels_of(frames[3], "red")) and not len(pixels_of(frames[3], "blue"))
    assert len(pixels_of(frames[4], "blue")) and not len(pixels_of(frames[4], "red"))


def test_drawn_scenes_keep_the_rules_of_the_world() -> None:
    settings = WorldSettings()
    roles = set()
    for scene in scenes(200):
        assert settings.shortest <= scene.duration <= settings.longest
        assert len(scene.times) == scene.duration * scene.fps
        colors = [t.color for t in scene.things] + [t.recolor[1] for t in scene.things if t.recolor]
        assert len(set(colors)) == len(colors)
        assert len({t.shape for t in scene.things}) == len(scene.things)
        for drawn in scene.things:
            roles.add(drawn.role)
            for start, end in drawn.visible:
                assert 0 <= start < end <= scene.duration
            for time in scene.times:
                assert all(-1e-9 <= edge <= 1 + 1e-9 for edge in drawn.box_at(float(time)))
            if drawn.moving:
                assert drawn.visible[0][0] <= drawn.moving[0] < drawn.moving[1] <= drawn.visible[0][1]
            if drawn.recolor:
                assert drawn.visible[0][0] < drawn.recolor[0] < drawn.visible[0][1]
    assert roles == {"appears", "moves", "recolors", "returns"}


def test_every_visible_shape_shows_all_its_pixels() -> None:
    for scene in scenes(40, seed=5):
        if scene.quality == "noisy":
            continue
        for time, frame in zip(scene.times, render(scene), strict=True):
            for drawn in scene.things:
                alone = Scene((drawn,), scene.duration, scene.fps, scene.side, scene.background, "clean", 0)
                wanted = pixels_of(render(alone)[round(time * scene.fps)], drawn.color_at(time))
                assert len(pixels_of(frame, drawn.color_at(time))) == len(wanted)


def test_noise_changes_pixels_but_not_the_script() -> None:
    clean = scene_of(thing())
    noisy = Scene(clean.things, 4.0, 2, 64, 20, "noisy", 1)
    assert clean.script() == noisy.script()
    assert np.abs(render(clean).astype(int) - render(noisy)).mean() > 5


def test_about_one_script_in_five_is_held_out_and_places_do_not_matter() -> None:
    drawn = scenes(1000, objects=2)
    assert 0.15 < np.mean([is_held_out(scene) for scene in drawn]) < 0.25
    moved = scene_of(thing(start=(0.7, 0.7), stop=(0.7, 0.7)))
    assert is_held_out(moved) == is_held_out(scene_of(thing()))


@pytest.mark.parametrize("objects", [0, 4])
def test_too_few_or_too_many_objects_are_refused(objects: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 3 objects, got {objects}"):
        draw_scene(np.random.default_rng(0), objects)
