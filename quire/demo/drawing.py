"""Draw the demo's images: cats, dogs and other things, as photographs of unequal quality, each from a seeded generator.

Everything is a polygon of whole pixels, so that Pillow fills the same ones on every machine.
"""

import io
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter

from quire.demo.shapes import COVERS, FACES, PALETTE, THINGS, Face, Shape, face

SCALE = 2  # drawn larger and reduced, for smooth edges
SIZES = ((320, 240), (240, 320), (300, 300), (360, 240), (280, 350), (220, 220), (400, 300))
OTHER_FACES = {"fox": "red", "teddy": "fur", "rabbit": "fur"}  # animals that are neither cat nor dog, and the colours of each
LIKENESS = 0.45  # how far a trait of a cat may go towards a dog's, and the other way round
CIRCLE = [(math.cos(math.tau * step / 40), math.sin(math.tau * step / 40)) for step in range(40)]


class Frame(NamedTuple):
    """Where the subject is in the image, in pixels: its middle, the length of its unit, its tilt and how far it is turned away."""

    x: float
    y: float
    unit: float
    tilt: float  # radians
    turned: float  # the width that is left of it, 0..1

    def place(self, x: float, y: float) -> tuple[int, int]:
        """The pixel of a point that is given in hundredths of the unit."""
        across, down = x * self.turned * self.unit / 100, y * self.unit / 100
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        return round(self.x + across * cos - down * sin), round(self.y + across * sin + down * cos)


def draw(kind: str, random: Random) -> Image.Image:
    """An image of a `cat`, a `dog` or an `other` thing, RGB, of one of several sizes that say nothing of the kind."""
    return _drawn(lambda: _subject(kind, random), random)


def draw_thing(name: str, random: Random) -> Image.Image:
    """An image of one of the THINGS, in the same way."""
    return _drawn(lambda: THINGS[name], random)


def _drawn(subject: Callable[[], Sequence[Shape]], random: Random) -> Image.Image:
    width, height = random.choice(SIZES)
    image = Image.new("RGB", (width * SCALE, height * SCALE), _pale(random))
    _background(image, random)
    frame = _frame(image.size, random)
    _paint(image, subject(), frame, random)
    if random.random() < 0.12:
        _paint(image, random.choice(list(COVERS.values())), frame, random)
    return _photographed(image.reduce(SCALE), random)


def encoded(image: Image.Image, encoding: str = "JPEG", quality: int = 85) -> bytes:
    """The bytes of an image file; PNG has no quality."""
    buffer = io.BytesIO()
    image.save(buffer, encoding, quality=quality)
    return buffer.getvalue()


def _subject(kind: str, random: Random) -> list[Shape]:
    """The shapes of one of the things of a kind."""
    if kind == "other":
        name = random.choice((*OTHER_FACES, *THINGS))
        return face(FACES[name], OTHER_FACES[name]) if name in OTHER_FACES else THINGS[name]
    return face(_between(FACES[kind], FACES["dog" if kind == "cat" else "cat"], random), "fur")


def _between(own: Face, other: Face, random: Random) -> Face:
    """A face whose traits each lie some way from its own kind's to the other's."""
    reach = random.uniform(0, LIKENESS)
    return Face(*(mine + (theirs - mine) * random.uniform(0, reach) for mine, theirs in zip(own, other, strict=True)))


def _frame(size: tuple[int, int], random: Random) -> Frame:
    """Mostly the subject fills the middle; one in five is far away or cut by the edge."""
    unit, off = random.uniform(0.28, 0.38), 0.08
    if random.random() < 0.2:
        unit, off = random.choice(((random.uniform(0.12, 0.2), 0.25), (random.uniform(0.4, 0.5), 0.3)))
    x, y = (length * random.uniform(0.5 - off, 0.5 + off) for length in size)
    return Frame(x, y, unit * min(size), random.gauss(0, 0.15), random.uniform(0.75, 1))


def _paint(image: Image.Image, shapes: Sequence[Shape], frame: Frame, random: Random) -> None:
    """Draw shapes one over the other, each a little out of true, as by hand."""
    pen, colours = ImageDraw.Draw(image), {name: random.choice(choices) for name, choices in PALETTE.items()}
    for colour, numbers in shapes:
        corners = _corners([number + random.uniform(-2, 2) for number in numbers])
        pen.polygon([frame.place(x, y) for x, y in corners], colours.get(colour, colour))


def _corners(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """The corners of a shape; a disc has forty."""
    if len(numbers) == 4:
        x, y, across, down = numbers
        return [(x + across * cos, y + down * sin) for cos, sin in CIRCLE]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _background(image: Image.Image, random: Random) -> None:
    """A floor, and up to six blots."""
    pen, (width, height) = ImageDraw.Draw(image), image.size
    pen.rectangle((0, round(height * random.uniform(0.6, 0.9)), width, height), fill=_pale(random))
    for _ in range(random.randint(0, 6)):
        x, y, radius = random.randrange(width), random.randrange(height), random.uniform(0.02, 0.12) * width
        flat = radius * random.uniform(0.5, 1)
        pen.polygon([(round(x + radius * cos), round(y + flat * sin)) for cos, sin in CIRCLE], fill=_pale(random))


def _pale(random: Random) -> tuple[int, int, int]:
    return (random.randint(150, 245), random.randint(150, 245), random.randint(150, 245))


def _photographed(image: Image.Image, random: Random) -> Image.Image:
    """The image as a camera gives it: slightly out of focus, and one in five with a flaw."""
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))
    return random.choice(FLAWS)(image, random) if random.random() < 0.2 else image


def _grain(image: Image.Image, random: Random) -> Image.Image:
    """Noise of the image's size."""
    return Image.frombytes("L", image.size, random.randbytes(image.width * image.height)).convert("RGB")


FLAWS: tuple[Callable[[Image.Image, Random], Image.Image], ...] = (
    lambda image, random: image.filter(ImageFilter.GaussianBlur(random.uniform(2, 4))),
    lambda image, random: Image.blend(image, _grain(image, random), random.uniform(0.2, 0.4)),
    lambda image, random: Image.blend(image, Image.new("RGB", image.size, _pale(random)), random.uniform(0.5, 0.75)),  # faint
    lambda image, random: Image.blend(image, Image.new("RGB", image.size), random.uniform(0.5, 0.8)),  # dark
    lambda image, random: image.reduce(random.randint(4, 7)).resize(image.size, Image.Resampling.BILINEAR),  # coarse
    lambda image, _: image.convert("L").convert("RGB"),
)
