"""What a scene says about itself in words: events, subjects and the caption made of them.

The texts come from known facts, so a rule can judge exactly whether a caption entails an event.
"""

from typing import Any

from reeltune.toyworld.world import Scene, Thing


def events_of(scene: Scene) -> list[str]:
    """One sentence per thing that happens, in order of time, then of name.

    Being there from the start, or to the end, is no event.
    """
    events: list[tuple[float, str]] = []
    for thing in sorted(scene.things, key=lambda thing: thing.name):
        events += _events(thing, scene.duration)
    return [text for _, text in sorted(events, key=lambda event: event[0])]


def _events(thing: Thing, duration: float) -> list[tuple[float, str]]:
    name, now = f"The {thing.name}", thing.name
    events: list[tuple[float, str]] = []
    for number, (start, end) in enumerate(thing.visible):
        if start > 0:
            events.append((start, f"{name} {'returns' if number else 'appears'}."))
        if end < duration:
            now = f"{thing.color_at(end)} {thing.shape}"
            events.append((end, f"The {now} vanishes."))
    if thing.moving:
        events.append((thing.moving[0], f"{name} moves {_direction(thing)}."))
    if thing.recolor:
        events.append((thing.recolor[0], f"{name} turns {thing.recolor[1]}."))
    return events


def _direction(thing: Thing) -> str:
    across, down = thing.stop[0] - thing.start[0], thing.stop[1] - thing.start[1]
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"


def subjects_of(scene: Scene) -> list[dict[str, Any]]:
    """The structured reference of a caption: every shape with its attributes and actions."""
    return [
        {
            "name": thing.name,
            "attributes": [thing.color, thing.shape],
            "actions": [_action(text, thing) for _, text in sorted(_events(thing, scene.duration))],
        }
        for thing in sorted(scene.things, key=lambda thing: thing.name)
    ]


def _action(event: str, thing: Thing) -> str:
    return event.split(f" {thing.shape} ", 1)[1].rstrip(".")


def caption_of(scene: Scene) -> str:
    """First who is there at the start, then every event in order."""
    there = sorted(thing.name for thing in scene.things if thing.visible_at(0.0))
    opening = [f"The video begins with the {' and the '.join(there)}." if there else "The video begins empty."]
    return " ".join(opening + events_of(scene))
