"""Which of the images that a page draws are pieces of one: scanners and printer drivers cut an image into strips or tiles."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quire.items.readers.pdf_walk import Drawn

SLACK = 1.5  # pixels by which pieces may overlap or lie apart
NEAR = 200  # how many pieces back a neighbour may have been drawn: those of a row of tiles
STRIP = 4  # how many times longer than wide a strip is
CONTENT = 3.0  # of 255: the mean deviation from which the pixels along a seam say anything
LIKENESS = 0.6  # correlation of the pixels on both sides of a cut; of unlike images it is about 0

Pixels = Callable[[Drawn], Image.Image]


def pieces(drawn: Sequence[Drawn], max_pixels: int, pixels: Pixels) -> list[list[Drawn]]:
    """The images in order, each alone or with the other pieces of its image.

    Pieces are drawn one after the other, touch, fill a rectangle at one resolution, and go on from one to the next: the pixels
    on both sides of their seams are alike. Strips may have blank seams.
    """
    found: list[list[Drawn]] = []
    for run in _touching(drawn):
        whole = len({each.same for each in run}) > 1 and _fills_a_rectangle(run)
        if whole and math.prod(size_of(run)) <= max_pixels and _goes_on(run, pixels):
            found.append(run)
        else:
            found.extend([each] for each in run)
    return found


def size_of(run: Sequence[Drawn]) -> tuple[int, int]:
    """Width and height in pixels of what the pieces make, at the resolution of the first."""
    left, top, right, bottom = np.array([each.area for each in run]).T
    width, height = run[0].pixel
    return round((right.max() - left.min()) / width), round((bottom.max() - top.min()) / height)


def _touching(drawn: Sequence[Drawn]) -> Iterator[list[Drawn]]:
    """Runs of images that are drawn one after the other, each of which shares a side with one before it."""
    run: list[Drawn] = []
    for each in drawn:
        if run and not (any(_share_a_side(other, each) for other in run[-NEAR:]) and _alike(run[0], each)):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _alike(one: Drawn, other: Drawn) -> bool:
    """Whether two could be pieces of one image: plain, turned alike, of one depth, colour space and resolution."""
    plain = not (one.mixed or other.mixed or one.masked or other.masked) and one.colour == other.colour
    same = (one.turn, one.image.bpc(), one.image.n()) == (other.turn, other.image.bpc(), other.image.n())
    scaled = all(math.isclose(*sides, rel_tol=0.02) for sides in zip(one.pixel, other.pixel, strict=True))
    return plain and same and scaled and one.upright and other.upright


def _share_a_side(one: Drawn, other: Drawn) -> bool:
    return any(_side(one, other, axis) or _side(other, one, axis) for axis in (0, 1))


def _side(one: Drawn, other: Drawn, axis: int) -> bool:
    """Whether the second begins where the first ends, along x (0) or y (1), and is as long across."""
    a, b, across = one.area, other.area, 1 - axis
    if abs(a[axis + 2] - b[axis]) > SLACK * one.pixel[axis]:
        return False
    return max(abs(a[across] - b[across]), abs(a[across + 2] - b[across + 2])) <= SLACK * one.pixel[across]


def _fills_a_rectangle(run: Sequence[Drawn]) -> bool:
    left, top, right, bottom = np.array([each.area for each in run]).T
    filled, all_of_it = ((right - left) * (bottom - top)).sum(), (right.max() - left.min()) * (bottom.max() - top.min())
    return bool(abs(filled - all_of_it) <= 0.02 * all_of_it)


def _goes_on(run: Sequence[Drawn], pixels: Pixels) -> bool:
    shown = [np.asarray(pixels(each).convert("L"), np.float64) for each in run]  # each (H, W) float64
    sides = [side for (one, a), (other, b) in pairwise(zip(run, shown, strict=True)) for side in _seam(one, a, other, b)]
    before, after = (np.concatenate([side[number] for side in sides]) if sides else np.zeros(0) for number in (0, 1))
    if before.size == 0 or max(np.abs(before).mean(), np.abs(after).mean()) < CONTENT:
        return all(max(each.shown_size) >= STRIP * min(each.shown_size) for each in run)
    return float((before * after).mean()) >= LIKENESS * float(np.sqrt((before**2).mean() * (after**2).mean()))


def _seam(one: Drawn, a: NDArray[np.float64], other: Drawn, b: NDArray[np.float64]) -> Iterator[list[NDArray[np.float64]]]:
    """The last pixels of the first piece and the first of the second, (L,) each, less their mean."""
    for axis, last, first in ((1, a[-1], b[0]), (0, a[:, -1], b[:, 0])):
        if _side(one, other, axis) and len(last) == len(first):
            yield [last - last.mean(), first - first.mean()]
        elif _side(other, one, axis):
            begin, end = (a[0], b[-1]) if axis else (a[:, 0], b[:, -1])
            if len(begin) == len(end):
                yield [end - end.mean(), begin - begin.mean()]
