"""What the demo's images show, as tables of shapes. A number is a hundredth of the subject's unit, from its middle, y downwards.

A shape is a colour and its numbers: four are a disc (x, y and two radii), more are the corners of a polygon. A colour is a hex
code or the name of an entry of PALETTE, of which each image draws one.
"""

from typing import NamedTuple

Numbers = tuple[float, ...]
Shape = tuple[str, Numbers]

FUR = ("#8a5a2b", "#c98f4e", "#4a4038", "#e4d3b5", "#7d7d80", "#b9652a", "#2f2b2a", "#d9b38c")
BRIGHT = ("#c0392b", "#2980b9", "#27ae60", "#8e44ad", "#f39c12", "#16a085", "#d35400")
PALETTE = {
    "fur": FUR,
    "red": ("#c8581c", "#b9521a", "#d67a35"),
    "ears": FUR,
    "iris": ("#a8c64b", "#d9b53c", "#7fb4c9", "#8a5a2b"),
    "paint": BRIGHT,
    "trim": (*BRIGHT, *FUR),
    "leaf": ("#2e7d32", "#388e3c", "#558b2f"),
}


class Face(NamedTuple):
    """The traits of an animal's head. Between two faces lies a third: a cat with folded ears, a dog with pricked ones."""

    width: float
    height: float
    ear_x: float  # where the tip of the right ear is, and how thick the ear is there and at its root
    ear_y: float
    ear_tip: float
    ear_root: float
    eye: float  # radius of the iris
    pupil: float  # half its width: a slit or a disc
    muzzle: float  # radius of the light part around the mouth
    nose: float
    cheeks: float  # radius of what is white on each side of the muzzle
    whiskers: float
    tongue: float


FACES = {
    "cat": Face(100, 85, 92, -128, 4, 36, 23, 5, 26, 9, 0, 115, 0),
    "dog": Face(82, 100, 98, 62, 27, 24, 15, 12, 48, 22, 0, 0, 34),
    "fox": Face(92, 82, 84, -125, 4, 38, 15, 7, 34, 14, 40, 0, 0),
    "teddy": Face(96, 90, 74, -74, 34, 36, 12, 12, 40, 15, 0, 0, 0),
    "rabbit": Face(78, 88, 42, -190, 15, 18, 17, 13, 28, 9, 0, 70, 0),
}


def face(of: Face, fur: str) -> list[Shape]:
    """An animal from the front, head and shoulders, what is behind first; ears that hang are before the head."""
    hangs = of.ear_y > 0
    ears = both(taper("ears" if hangs else fur, (58, -58, of.ear_root), (of.ear_x, of.ear_y, of.ear_tip)))
    inside = both(taper("#e0a3a0", (60, -66, of.ear_root * 0.5), (of.ear_x * 0.97, of.ear_y * 0.86, of.ear_tip * 0.5)))
    cheeks = both([("#f3ede2", (44, 36, of.cheeks, of.cheeks * 0.75))] if of.cheeks else [])
    head: list[Shape] = [(fur, (0, 0, of.width, of.height)), *cheeks]
    low = 22 + of.muzzle * 0.45  # the middle of the muzzle
    eyes = both([("iris", (38, -18, of.eye, of.eye * 0.85)), ("#15110f", (38, -18, of.pupil, max(of.eye * 0.75, of.pupil)))])
    mouth: list[Shape] = [
        ("#e0607a", (0, low + of.muzzle * 0.8, of.tongue * 0.5, of.tongue)),
        ("#efe3d0", (0, low, of.muzzle, of.muzzle * 0.82)),
        ("#3a2a2a", (-2, low, 2, low, 2, low + of.muzzle * 0.5, -2, low + of.muzzle * 0.5)),
        ("#2b1d1a", (0, low - of.muzzle * 0.4, of.nose, of.nose * 0.72)),
    ]
    long = of.whiskers if of.whiskers > 30 else 0
    whiskers = both([("#8d8d88", (18, 34, long * 1.3, 34 + tilt, 18, 37)) for tilt in (-22, -2, 18) if long])
    return [(fur, (0, 150, 92, 95)), *([*head, *ears] if hangs else [*ears, *inside, *head]), *eyes, *mouth, *whiskers]


def taper(colour: str, start: Numbers, end: Numbers) -> list[Shape]:
    """A limb: discs on the way from one disc to another, each x, y and radius."""
    way = [[first + (last - first) * step / 14 for first, last in zip(start, end, strict=True)] for step in range(15)]
    return [(colour, (x, y, radius, radius)) for x, y, radius in way]


def both(shapes: list[Shape]) -> list[Shape]:
    """The shapes of the right side, and their mirror images on the left; a disc is the same with a negative radius."""
    return [*shapes, *((colour, tuple(n * (-1, 1)[place % 2] for place, n in enumerate(numbers))) for colour, numbers in shapes)]


def box(left: float, top: float, right: float, bottom: float) -> Numbers:
    """The corners of a rectangle."""
    return (left, top, right, top, right, bottom, left, bottom)


THINGS: dict[str, list[Shape]] = {
    "house": [
        ("paint", box(-100, -30, 100, 100)),
        ("trim", (-120, -30, 0, -120, 120, -30)),
        ("#5b3a1e", box(-20, 30, 20, 100)),
        *both([("#cfe8f5", box(45, 0, 85, 35))]),
    ],
    "car": [
        ("paint", box(-130, 0, 130, 60)),
        ("paint", (-80, 0, -45, -55, 50, -55, 90, 0)),
        ("#d6eaf5", (-60, 0, -38, -42, 42, -42, 70, 0)),
        *both([("#222222", (75, 60, 30, 30)), ("#bbbbbb", (75, 60, 13, 13)), ("#f6e58d", (122, 22, 9, 9))]),
    ],
    "tree": [
        ("#6b4423", box(-14, 0, 14, 120)),
        *both([("leaf", (50, -10, 42, 38)), ("leaf", (60, -50, 42, 38)), ("leaf", (30, -90, 42, 38)), ("leaf", (10, -30, 60, 50))]),
    ],
    "flower": [
        ("#2e7d32", box(-5, 0, 5, 140)),
        ("#388e3c", (28, 95, 30, 12)),
        *both([("paint", (50, 0, 30, 30)), ("paint", (25, -43, 30, 30)), ("paint", (25, 43, 30, 30))]),
        ("#f6d34a", (0, 0, 30, 30)),
    ],
    "boat": [
        ("#4f8fc0", box(-900, 70, 900, 400)),
        ("trim", (-100, 40, 100, 40, 60, 90, -60, 90)),
        ("#ffffff", (0, -100, 0, 30, 80, 30)),
        ("paint", (-8, -80, -8, 30, -60, 30)),
    ],
    "cup": [
        ("paint", (85, 5, 38, 42)),
        ("#f4efe6", (85, 5, 22, 26)),
        ("paint", (-80, -60, 80, -60, 60, 80, -60, 80)),
        ("#3b2413", (0, -60, 80, 18)),
    ],
    "ball": [("paint", (0, 10, 95, 95)), ("#ffffff", (0, 10, 95, 34)), ("trim", (0, 10, 95, 20)), ("#ffffff", (-35, -35, 16, 12))],
}  # fmt: skip

COVERS: dict[str, list[Shape]] = {
    "fence": [("trim", box(left, 10, left + 24, 400)) for left in range(-320, 320, 48)] + [("trim", box(-400, 50, 400, 68))],
    "leaves": [("leaf", (x, y, 22, 12)) for x, y in ((-90, -60), (-60, 20), (-20, -85), (10, 45), (45, -30), (80, 30), (95, -80))],
    "blanket": [("paint", (-200, 30, 0, 12, 200, 30, 300, 400, -300, 400))],
    "curtain": [("trim", box(8, -400, 400, 400)), ("#4a4038", box(8, -400, 13, 400))],
}  # fmt: skip
