"""Draw the demo's images: cats, dogs and other things, each from a seeded generator."""

import io
import math
from random import Random

from PIL import Image, ImageDraw, ImageFilter

SCALE = 2  # drawn larger and reduced, for smooth edges
SIZES = [(320, 240), (240, 320), (300, 300), (360, 240), (280, 350), (220, 220), (400, 300)]
FUR = ["#8a5a2b", "#c98f4e", "#4a4038", "#e4d3b5", "#7d7d80", "#b9652a", "#2f2b2a", "#d9b38c"]
BRIGHT = ["#c0392b", "#2980b9", "#27ae60", "#8e44ad", "#f39c12", "#16a085", "#d35400"]

Pen = ImageDraw.ImageDraw
Point = tuple[float, float]


def draw(kind: str, random: Random) -> Image.Image:
    """An image of a `cat`, a `dog` or an `other` thing, RGB, of one of several sizes that say nothing of the kind."""
    width, height = random.choice(SIZES)
    image = Image.new("RGB", (width * SCALE, height * SCALE), _pale(random))
    pen = ImageDraw.Draw(image)
    _background(pen, image.size, random)
    unit = min(image.size) * random.uniform(0.30, 0.42)
    middle = (image.width * random.uniform(0.42, 0.58), image.height * random.uniform(0.45, 0.55))
    subject = {"cat": [_cat], "dog": [_dog], "other": [_house, _car, _tree, _mountains, _flower, _boat, _cup]}[kind]
    random.choice(subject)(pen, middle, unit, random)
    reduced = image.reduce(SCALE)
    return reduced.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """The image as JPEG."""
    return _encoded(image, "JPEG", quality=quality)


def png(image: Image.Image) -> bytes:
    """The image as PNG."""
    return _encoded(image, "PNG")


def _encoded(image: Image.Image, encoding: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def _pale(random: Random) -> tuple[int, int, int]:
    return (random.randint(170, 245), random.randint(170, 245), random.randint(170, 245))


def _background(pen: Pen, size: tuple[int, int], random: Random) -> None:
    width, height = size
    pen.rectangle((0, height * random.uniform(0.6, 0.9), width, height), fill=_pale(random))
    for _ in range(random.randint(0, 6)):
        x, y, radius = random.uniform(0, width), random.uniform(0, height), random.uniform(0.02, 0.12) * width
        _disc(pen, (x, y), radius, radius * random.uniform(0.5, 1), _pale(random))


def _disc(pen: Pen, at: Point, rx: float, ry: float, fill: str | tuple[int, int, int]) -> None:
    pen.ellipse((at[0] - rx, at[1] - ry, at[0] + rx, at[1] + ry), fill=fill)


def _cat(pen: Pen, at: Point, unit: float, random: Random) -> None:
    """Pointed ears, slit pupils, whiskers."""
    x, y = at
    fur, width = random.choice(FUR), unit * random.uniform(0.95, 1.1)
    _disc(pen, (x, y + unit * 1.5), unit * 0.9, unit * 1.0, fur)
    for side in (-1, 1):
        pen.polygon(
            [(x + side * width, y - unit * 1.35), (x + side * width * 0.95, y), (x + side * width * 0.1, y - unit * 0.7)], fill=fur
        )
        pen.polygon(
            [
                (x + side * width * 0.88, y - unit * 1.1),
                (x + side * width * 0.8, y - unit * 0.4),
                (x + side * width * 0.35, y - unit * 0.7),
            ],
            fill="#e8a5a5",
        )
    _disc(pen, at, width, unit * 0.85, fur)
    for side in (-1, 1):
        eye = (x + side * unit * 0.42, y - unit * 0.12)
        _disc(pen, eye, unit * 0.23, unit * 0.19, random.choice(["#a8c64b", "#d9b53c", "#7fb4c9"]))
        _disc(pen, eye, unit * 0.05, unit * 0.18, "black")
        for tilt in (-0.12, 0.0, 0.12):
            start = (x + side * unit * 0.3, y + unit * 0.33)
            pen.line(
                [start, (x + side * unit * 1.5, y + unit * (0.3 + tilt * 2))],
                fill="#f5f5f5" if fur < "#7" else "#333333",
                width=SCALE,
            )
    pen.polygon([(x - unit * 0.1, y + unit * 0.2), (x + unit * 0.1, y + unit * 0.2), (x, y + unit * 0.32)], fill="#d97b8a")
    pen.arc((x - unit * 0.25, y + unit * 0.2, x, y + unit * 0.5), 10, 150, fill="black", width=SCALE)
    pen.arc((x, y + unit * 0.2, x + unit * 0.25, y + unit * 0.5), 30, 170, fill="black", width=SCALE)


def _dog(pen: Pen, at: Point, unit: float, random: Random) -> None:
    """Hanging ears, a long muzzle with a large nose, often the tongue out."""
    x, y = at
    fur, ears = random.choice(FUR), random.choice(FUR)
    _disc(pen, (x, y + unit * 1.5), unit * 1.0, unit * 0.9, fur)
    _disc(pen, at, unit * 0.8, unit * random.uniform(0.95, 1.1), fur)
    for side in (-1, 1):
        _disc(pen, (x + side * unit * 0.88, y + unit * 0.15), unit * 0.28, unit * random.uniform(0.7, 0.9), ears)
        _disc(pen, (x + side * unit * 0.32, y - unit * 0.3), unit * 0.12, unit * 0.13, "#2b1d12")
        _disc(pen, (x + side * unit * 0.34, y - unit * 0.34), unit * 0.035, unit * 0.035, "white")
    if random.random() < 0.7:
        _disc(pen, (x, y + unit * 0.98), unit * 0.16, unit * 0.32, "#e0607a")
    _disc(pen, (x, y + unit * 0.5), unit * 0.5, unit * 0.42, "#eadbc4")
    _disc(pen, (x, y + unit * 0.3), unit * 0.22, unit * 0.16, "#1c1613")
    pen.line([(x, y + unit * 0.45), (x, y + unit * 0.68)], fill="#1c1613", width=2 * SCALE)
    pen.arc((x - unit * 0.3, y + unit * 0.45, x + unit * 0.3, y + unit * 0.8), 20, 160, fill="#1c1613", width=2 * SCALE)


def _house(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    pen.rectangle((x - unit, y - unit * 0.3, x + unit, y + unit), fill=random.choice(BRIGHT))
    pen.polygon([(x - unit * 1.2, y - unit * 0.3), (x, y - unit * 1.2), (x + unit * 1.2, y - unit * 0.3)], fill=random.choice(FUR))
    pen.rectangle((x - unit * 0.2, y + unit * 0.3, x + unit * 0.2, y + unit), fill="#5b3a1e")
    for side in (-0.65, 0.65):
        pen.rectangle((x + unit * (side - 0.2), y, x + unit * (side + 0.2), y + unit * 0.35), fill="#cfe8f5")


def _car(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    paint = random.choice(BRIGHT)
    pen.rounded_rectangle((x - unit * 1.3, y, x + unit * 1.3, y + unit * 0.6), unit * 0.2, fill=paint)
    pen.polygon(
        [(x - unit * 0.8, y), (x - unit * 0.45, y - unit * 0.55), (x + unit * 0.5, y - unit * 0.55), (x + unit * 0.9, y)],
        fill=paint,
    )
    pen.polygon(
        [(x - unit * 0.6, y), (x - unit * 0.38, y - unit * 0.42), (x + unit * 0.42, y - unit * 0.42), (x + unit * 0.7, y)],
        fill="#d6eaf5",
    )
    for side in (-0.75, 0.75):
        _disc(pen, (x + unit * side, y + unit * 0.6), unit * 0.3, unit * 0.3, "#222222")
        _disc(pen, (x + unit * side, y + unit * 0.6), unit * 0.13, unit * 0.13, "#bbbbbb")


def _tree(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    pen.rectangle((x - unit * 0.15, y, x + unit * 0.15, y + unit * 1.2), fill="#6b4423")
    for _ in range(9):
        leaf = (x + random.uniform(-0.6, 0.6) * unit, y + random.uniform(-1.0, 0.1) * unit)
        _disc(pen, leaf, unit * 0.4, unit * 0.38, random.choice(["#2e7d32", "#388e3c", "#558b2f"]))


def _mountains(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    _disc(pen, (x + unit * random.uniform(-1, 1), y - unit * 0.9), unit * 0.25, unit * 0.25, "#f6d34a")
    for shift in (-1.2, 0.9, 0.0):
        peak, tint = (x + shift * unit, y - unit * random.uniform(0.4, 0.9)), random.choice(["#5d6d7e", "#7f8c8d", "#566573"])
        pen.polygon([(peak[0] - unit * 1.3, y + unit), peak, (peak[0] + unit * 1.3, y + unit)], fill=tint)
        pen.polygon(
            [(peak[0] - unit * 0.2, peak[1] + unit * 0.28), peak, (peak[0] + unit * 0.2, peak[1] + unit * 0.28)], fill="white"
        )


def _flower(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    paint, petals = random.choice(BRIGHT), random.randint(5, 8)
    pen.line([(x, y), (x, y + unit * 1.4)], fill="#2e7d32", width=int(unit * 0.1))
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals
        _disc(pen, (x + math.cos(angle) * unit * 0.5, y + math.sin(angle) * unit * 0.5), unit * 0.3, unit * 0.3, paint)
    _disc(pen, at, unit * 0.3, unit * 0.3, "#f6d34a")


def _boat(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    pen.rectangle((0, y + unit * 0.7, x * 4, y + unit * 4), fill="#4f8fc0")
    pen.polygon(
        [
            (x - unit, y + unit * 0.4),
            (x + unit, y + unit * 0.4),
            (x + unit * 0.6, y + unit * 0.9),
            (x - unit * 0.6, y + unit * 0.9),
        ],
        fill=random.choice(FUR),
    )
    pen.polygon([(x, y - unit), (x, y + unit * 0.3), (x + unit * 0.8, y + unit * 0.3)], fill="white")
    pen.polygon(
        [(x - unit * 0.08, y - unit * 0.8), (x - unit * 0.08, y + unit * 0.3), (x - unit * 0.6, y + unit * 0.3)],
        fill=random.choice(BRIGHT),
    )


def _cup(pen: Pen, at: Point, unit: float, random: Random) -> None:
    x, y = at
    paint = random.choice(BRIGHT)
    pen.arc((x + unit * 0.3, y - unit * 0.3, x + unit * 1.1, y + unit * 0.5), 270, 90, fill=paint, width=int(unit * 0.15))
    pen.polygon(
        [
            (x - unit * 0.8, y - unit * 0.6),
            (x + unit * 0.8, y - unit * 0.6),
            (x + unit * 0.6, y + unit * 0.8),
            (x - unit * 0.6, y + unit * 0.8),
        ],
        fill=paint,
    )
    _disc(pen, (x, y - unit * 0.6), unit * 0.8, unit * 0.18, "#3b2413")
