from reeltune.toyworld.captions import caption_of, events_of, subjects_of
from reeltune.toyworld.world import Scene, Thing


def a_scene() -> Scene:
    place = (0.5, 0.5)
    return Scene(
        things=(
            Thing("red", "circle", "recolors", 0.2, ((0.0, 5.0),), place, place, recolor=(2.0, "blue")),
            Thing("green", "cross", "moves", 0.2, ((1.0, 6.0),), (0.2, 0.2), (0.8, 0.3), moving=(3.0, 5.0)),
            Thing("white", "square", "returns", 0.2, ((0.0, 1.0), (4.0, 6.0)), place, place),
        ),
        duration=6.0,
        fps=2,
        side=64,
        background=20,
        quality="clean",
        noise_seed=0,
    )


def test_events_stand_in_the_order_they_happen() -> None:
    assert events_of(a_scene()) == [
        "The green cross appears.",
        "The white square vanishes.",
        "The red circle turns blue.",
        "The green cross moves right.",
        "The white square returns.",
        "The blue circle vanishes.",
    ]


def test_the_caption_holds_every_event() -> None:
    caption = caption_of(a_scene())
    assert caption.startswith("The video begins with the red circle and the white square. The green cross")
    assert all(event in caption for event in events_of(a_scene()))


def test_subjects_carry_attributes_and_actions() -> None:
    assert subjects_of(a_scene()) == [
        {"name": "green cross", "attributes": ["green", "cross"], "actions": ["appears", "moves right"]},
        {"name": "red circle", "attributes": ["red", "circle"], "actions": ["turns blue", "vanishes"]},
        {"name": "white square", "attributes": ["white", "square"], "actions": ["vanishes", "returns"]},
    ]
