"""A JPEG that is kept can be decoded: damage costs its row in the ledger, not the training."""

import random

import pytest

from quire.decode import DAMAGE, UndecodableImage, decode
from quire.items.readers.jpeg import Unshowable, showable
from tests.quire.items.readers.drawn import arrow, jpeg


def damaged(data: bytes, seed: int) -> bytes:
    """With bits turned, or bytes set, left out or overwritten, after the head."""
    draw, changed = random.Random(seed), bytearray(data)
    at = draw.randrange(data.index(b"\xff\xda") + 14, len(data) - 2)
    length = draw.randrange(1, 60)
    match draw.randrange(4):
        case 0:
            changed[at] ^= 1 << draw.randrange(8)
        case 1:
            changed[at] = 0xFF
        case 2:
            del changed[at : at + length]
        case _:
            changed[at : at + length] = draw.randbytes(len(changed[at : at + length]))
    return bytes(changed)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}, {"quality": 30}])
def test_what_is_kept_of_damaged_jpegs_can_be_decoded(options: dict[str, int]) -> None:
    kept = refused = 0
    for seed in range(150):
        data = damaged(jpeg(arrow((240, 160)), **options), seed)
        try:
            found = showable(data)
        except (Unshowable, *DAMAGE):
            refused += 1
            continue
        assert decode(found.data).size == (found.width, found.height)
        kept += 1
    assert kept > 20
    assert refused > 5


def test_what_is_refused_is_refused_by_the_decoder() -> None:
    data = jpeg(arrow())
    cut = data[: len(data) // 2]
    with pytest.raises(OSError, match="truncated"):
        showable(cut)
    with pytest.raises(UndecodableImage, match="truncated"):
        decode(cut)


def test_a_whole_jpeg_is_itself() -> None:
    data = jpeg(arrow())
    found = showable(data)
    assert (found.data, found.width, found.height, found.mode, found.note) == (data, 120, 80, "RGB", "")
    assert showable(jpeg(arrow().convert("L"))).mode == "L"
    with pytest.raises(Unshowable, match="its mode is CMYK"):
        showable(jpeg(arrow().convert("CMYK")))
    with pytest.raises(Unshowable, match="bytes before"):
        showable(b"\n" + data)
