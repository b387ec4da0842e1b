"""Which images of a page count, in which order, and what becomes of the ones that fail."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from quire.decode import decode
from quire.items.readers.pdf import PageImage, read
from tests.quire.items.readers.drawn import BOUNDS, arrow, document, image_object, jpeg, jpeg_object, page, stream, thumbnail
from tests.quire.items.readers.test_pdf_image import difference, taken

FONT = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
LINK: dict[int, str | bytes] = {22: "<< /Type /Annot /Subtype /Link /Rect [0 0 10 10] /A << /S /URI /URI (http://x) >> >>"}
SHADING = (
    "/Shading << /S1 << /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 200 0] "
    "/Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >> >> >>"
)
OVER_THE_PAGE = "q 200 0 0 200 0 0 cm /I Do Q"


def inline(y: int, pixels: bytes) -> bytes:
    return b" q 100 0 0 60 0 %d cm BI /W 4 /H 4 /CS /RGB /BPC 8 ID " % y + pixels + b" EI Q "


def colours(image: PageImage) -> list[int]:
    return np.asarray(decode(image.data)).ravel().tolist()


@pytest.mark.parametrize("height", [180, 700, 900])
@pytest.mark.parametrize("annotated", [False, True])
def test_text_outside_the_page_moves_no_image_to_anothers_row(height: int, annotated: bool) -> None:
    one, other = bytes(range(0, 240, 5)), bytes(range(0, 240, 5))[::-1]
    text = b"BT /F1 12 Tf 20 %d Td (outside) Tj ET" % height
    keys = "/Annots [22 0 R]" if annotated else ""
    found = taken(page(text + inline(0, one) + text + inline(100, other), {}, LINK, keys=keys, resources=FONT))
    assert [colours(image) for image in found] == [list(one), list(other)]


@pytest.mark.parametrize("keys", ["", "/Annots [22 0 R]"])
def test_a_gradient_is_no_image(keys: str) -> None:
    both = page("/S1 sh q 60 0 0 40 20 20 cm /I Do Q", {"I": jpeg_object(arrow())}, LINK, keys=keys, resources=SHADING)
    assert [image.data for image in taken(both)] == [jpeg(arrow())]
    assert taken(page("/S1 sh", {}, LINK, keys=keys, resources=SHADING)) == []


@pytest.mark.parametrize("kind", ["Luminosity", "Alpha"])
def test_the_image_in_a_groups_soft_mask_is_no_image_but_lies_over_others(kind: str) -> None:
    group = "/Group << /S /Transparency /CS /DeviceGray >> /Resources << /XObject << /M 31 0 R >> >>"
    more: dict[int, str | bytes] = {
        30: f"<< /Type /ExtGState /SMask << /S /{kind} /G 32 0 R >> >>",
        31: image_object((64, 64), Image.linear_gradient("L").resize((64, 64)).tobytes(), "/ColorSpace /DeviceGray"),
        32: stream(f"/Type /XObject /Subtype /Form /BBox [0 0 200 200] {group}", b"q 200 0 0 200 0 0 cm /M Do Q"),
    }
    data = page(f"q /G gs {OVER_THE_PAGE} Q", {"I": jpeg_object(arrow())}, more, resources="/ExtGState << /G 30 0 R >>")
    (found,) = taken(data)
    assert difference(found, data, (0, 0, 200, 200)) <= 6
    assert "soft mask" in found.note


def test_a_stencil_that_a_pattern_fills_is_taken_as_the_page_shows_it() -> None:
    holes = np.packbits(np.hypot(*(np.indices((80, 80)) - 40)) > 30, axis=1).tobytes()
    more: dict[int, str | bytes] = {
        30: "<< /Type /Pattern /PatternType 2 " + SHADING.removeprefix("/Shading << /S1").replace("<<", "/Shading <<", 1)
    }
    data = page(
        "/Pattern cs /P scn " + OVER_THE_PAGE,
        {"I": image_object((80, 80), holes, "/ImageMask true", bits=1)},
        more,
        resources="/Pattern << /P 30 0 R >>",
    )
    (found,) = taken(data)
    assert difference(found, data, (0, 0, 200, 200)) <= 6


def test_images_of_one_base_and_two_masks_are_two() -> None:
    masks = [Image.linear_gradient("L"), Image.radial_gradient("L")]
    more: dict[int, str | bytes] = {
        number: image_object((60, 60), mask.resize((60, 60)).tobytes(), "/ColorSpace /DeviceGray")
        for number, mask in enumerate(masks, start=20)
    }
    base = bytes([200, 0, 0]) * 3600
    images = {f"I{n}": image_object((60, 60), base, f"/ColorSpace /DeviceRGB /SMask {n} 0 R") for n in more}
    found = taken(page("q 80 0 0 80 0 0 cm /I20 Do Q q 80 0 0 80 100 0 cm /I21 Do Q", images, more))
    assert len({image.data for image in found}) == 2


def test_an_image_that_is_drawn_again_is_one_row_and_turned_or_in_another_colour_another() -> None:
    draws = "q 50 0 0 50 0 0 cm /I Do Q q 80 0 0 80 0 100 cm /I Do Q q -50 0 0 50 150 0 cm /I Do Q"
    found = taken(page(draws, {"I": jpeg_object(arrow())}))
    assert [image.index for image in found] == [0, 1]
    assert found[0].data == jpeg(arrow())
    assert np.abs(thumbnail(decode(found[1].data)) - thumbnail(decode(jpeg(arrow())))[:, ::-1]).mean() < 2
    dots = image_object((8, 8), bytes([0xAA, 0x55] * 4), "/ImageMask true", bits=1)
    twice = "1 0 0 rg q 50 0 0 50 0 0 cm /I Do Q 0 0 1 rg q 50 0 0 50 100 0 cm /I Do Q"
    assert len(taken(page(twice, {"I": dots}))) == 2


def test_one_image_that_fails_costs_its_own_row() -> None:
    pixels = bytes(1200)
    images = {
        "A": image_object((20, 20), pixels, "/ColorSpace /Nix"),
        "B": image_object((20, 20), pixels, "/ColorSpace /DeviceRGB", bits=77),
        "C": image_object((25_000, 25_000), pixels, "/ColorSpace /DeviceRGB"),
        "D": image_object((40, 40), pixels, "/ColorSpace /DeviceRGB"),
        "E": jpeg_object(arrow()),
    }
    for keys in ("", "/Annots [22 0 R]"):
        found = taken(page("q 50 0 0 50 0 0 cm /A Do /B Do /C Do /D Do /E Do Q", images, LINK, keys=keys))
        reasons = {(image.width, image.problem) for image in found if image.problem}
        assert reasons == {
            (25_000, "25000 x 25000 pixels, over the limit of 10000000"),
            (40, "damaged: padding truncated image; it is not stored as JPEG"),
            (20, "damaged: unknown colorspace: Nix"),
            (20, "damaged: image depth is too large: 77"),
        }
        assert [image.data for image in found if image.data] == [jpeg(arrow())]


def _without_checksum(pixels: bytes) -> bytes:
    return zlib.compress(pixels)[:-4]


def _with_wrong_checksum(pixels: bytes) -> bytes:
    return zlib.compress(pixels)[:-4] + b"\1\2\3\4"


@pytest.mark.parametrize("compressed", [_without_checksum, _with_wrong_checksum])
def test_a_wrong_checksum_costs_no_pixel(compressed: object) -> None:
    data = compressed(arrow().tobytes())  # type: ignore[operator]
    keys = "/Filter /FlateDecode /ColorSpace /DeviceRGB"
    (found,) = taken(page(OVER_THE_PAGE, {"I": image_object((120, 80), data, keys, flate=False)}))
    assert np.array_equal(np.asarray(decode(found.data)), np.asarray(arrow()))


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_a_profile_that_does_not_fit_leaves_the_alternate_space(profile: bytes) -> None:
    more: dict[int, str | bytes] = {20: stream("/N 1 /Alternate /DeviceGray", profile)}
    grey = arrow().convert("L")
    (found,) = taken(page(OVER_THE_PAGE, {"I": image_object((120, 80), grey.tobytes(), "/ColorSpace [/ICCBased 20 0 R]")}, more))
    assert np.array_equal(np.asarray(decode(found.data)), np.asarray(grey.convert("RGB")))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_whose_end_is_missing_is_whole(options: dict[str, object]) -> None:
    stored = jpeg(arrow(), **options)
    keys = "/Filter /DCTDecode /ColorSpace /DeviceRGB"
    for cut, turn in ((stored[:-2], "200 0 0 200 0 0"), (stored[:-2], "-200 0 0 200 200 0")):
        data = page(f"q {turn} cm /I Do Q", {"I": image_object((120, 80), cut, keys, flate=False)})
        (found,) = taken(data)
        assert difference(found, data, (0, 0, 200, 200)) <= 6
    (found,) = taken(page(OVER_THE_PAGE, {"I": image_object((120, 80), stored[:-2], keys, flate=False)}))
    assert (found.data, found.note) == (stored, "the end of the JPEG was missing")
    half = image_object((120, 80), stored[: len(stored) // 2], keys, flate=False)
    for turn in ("200 0 0 200 0 0", "-200 0 0 200 200 0"):
        assert "truncated" in taken(page(f"q {turn} cm /I Do Q", {"I": half}))[0].problem


@pytest.mark.parametrize("orientation", [2, 6, 8])
def test_no_viewer_of_pdfs_heeds_the_exif_of_a_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = jpeg(arrow(), exif=exif)
    (found,) = taken(page(OVER_THE_PAGE, {"I": jpeg_object(arrow(), exif=exif)}))
    assert np.array_equal(np.asarray(decode(found.data)), np.asarray(Image.open(io.BytesIO(stored))))
    assert len(stored) > len(found.data)


def _profile(gamma: float) -> bytes:
    """An RGB profile of sRGB's primaries with another tone curve, patched into Pillow's own."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.index(b"para", 128 + 4 + 12)
    while at > 0:
        size = 12 + 4 * {0: 1, 3: 5, 4: 7}[profile[at + 9]]
        profile[at : at + size] = b"para\0\0\0\0\0\0\0\0" + round(gamma * 65536).to_bytes(4, "big") + bytes(size - 16)
        at = profile.find(b"para", at + size)
    return bytes(profile)


@pytest.mark.parametrize(
    ("inside", "outside", "kept"), [(2.2, None, True), (1.8, None, False), (1.0, 1.0, True), (None, 1.0, False), (1.0, None, False)]
)
def test_a_jpeg_keeps_its_bytes_where_its_colours_are_the_pdfs(inside: float | None, outside: float | None, kept: bool) -> None:
    options = {"icc_profile": _profile(outside)} if outside else {}
    space = "[/ICCBased 20 0 R]" if inside else "/DeviceRGB"
    more: dict[int, str | bytes] = {20: stream("/N 3", _profile(inside or 1))}
    data = page(OVER_THE_PAGE, {"I": jpeg_object(arrow(), f"/ColorSpace {space}", **options)}, more)
    (found,) = taken(data)
    assert difference(found, data, (0, 0, 200, 200)) <= 6
    assert (found.data == jpeg(arrow(), **options)) == kept
    assert (found.extension == "png") == (inside in (1.0, 1.8) and not kept)


def test_what_is_stored_as_1_bit_or_grey_stays_so() -> None:
    grey = arrow().convert("L")
    bits = np.packbits(np.asarray(grey) > 128, axis=1).tobytes()
    images = {
        "A": image_object((120, 80), bits, "/ColorSpace /DeviceGray", bits=1),
        "B": image_object((120, 80), grey.tobytes(), "/ColorSpace /DeviceGray"),
    }
    found = taken(page("q 50 0 0 50 0 0 cm /A Do /B Do Q", images))
    assert [Image.open(io.BytesIO(image.data)).mode for image in found] == ["1", "L"]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(found[0].data))), np.asarray(grey) > 128)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(found[1].data))), np.asarray(grey))


@pytest.mark.parametrize("content", ["h h h h h", "BT /F1 12 Tf 20 180 Td <00410042> Tj ET", "Q Q Q", "0 0 nonsense 1 0 0 rg"])
def test_a_page_without_images_is_no_damaged_image(content: str) -> None:
    font = "/Font << /F1 << /Type /Font /Subtype /TrueType /BaseFont /#cb#ce#cc#e5 >> >>"
    (found,) = read(page(content, {}, resources=font), BOUNDS)
    assert found.problem.startswith("no image on its pages")


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_missing_checksum_is_no_damage(cut: int) -> None:
    content = zlib.compress(b"BT /F1 12 Tf 20 180 Td <00410042> Tj ET " * 50)
    for data, reason in ((content[:-cut], "no image on its pages"), (content[: -cut - 10], "damaged: premature end")):
        (found,) = read(page("", {}).replace(stream("", b""), stream("/Filter /FlateDecode", data)), BOUNDS)
        assert found.problem.startswith(reason)


def test_a_missing_checksum_of_a_form_is_no_damage() -> None:
    text = zlib.compress(b"0 0 m 10 10 l S " * 50)
    for data, reason in ((text[:-4], "no image on its pages"), (text[:-14], "damaged: premature end")):
        form = stream("/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Filter /FlateDecode", data)
        (found,) = read(page("/F Do", {"F": form}), BOUNDS)
        assert found.problem.startswith(reason)


def test_a_content_that_breaks_off_is_damage() -> None:
    content = stream("/Filter /FlateDecode", zlib.compress(b"0 0 m " * 500 + b"q 10 0 0 10 0 0 cm /I Do Q")[:20])
    cut = page("", {"I": jpeg_object(arrow())}).replace(stream("", b""), content)
    (found,) = read(cut, BOUNDS)
    assert found.problem.startswith("damaged: ")


def test_a_reason_is_text_whatever_bytes_the_pdf_holds() -> None:
    (found,) = taken(page("q 50 0 0 50 0 0 cm /I Do Q", {"I": image_object((20, 20), bytes(400), "/ColorSpace /#cb#ce#cc#e5")}))
    assert found.problem.startswith("damaged: MuPDF's message")
    assert found.problem.encode().decode() == found.problem


CATALOGUE, PAGES = "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count {} >>"
PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "damaged: its page tree counts no page"), (100_000, "damaged: "), (-3, "damaged: ")]
)
def test_a_wrong_count_of_pages_is_damage(count: int, reason: str) -> None:
    (found,) = read(document({1: CATALOGUE, 2: PAGES.format(count), 3: PAGE}), BOUNDS)
    assert found.problem.startswith(reason)


def test_what_is_encrypted_for_certificates_is_said_to_be() -> None:
    handler = "<< /Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s5 /V 4 /Length 128 >>"
    data = document({1: CATALOGUE, 2: PAGES.format(1), 3: PAGE, 9: handler}, "/Encrypt 9 0 R /ID [<00><00>]")
    (found,) = read(data, BOUNDS)
    assert found.problem.startswith("encrypted for the holders of certificates")


def test_the_files_in_a_portfolio_are_counted() -> None:
    catalogue = CATALOGUE.replace(
        ">>", "/Collection << >> /Names << /EmbeddedFiles << /Names [(a.pdf) 6 0 R (b.txt) 6 0 R] >> >> >>"
    )
    inner = stream("/Type /EmbeddedFile", b"%PDF-1.7")
    objects: dict[int, str | bytes] = {1: catalogue, 2: PAGES.format(1), 3: PAGE, 7: inner}
    (found,) = read(document(objects | {6: "<< /Type /Filespec /F (a.pdf) /EF << /F 7 0 R >> >>"}), BOUNDS)
    assert found.problem.startswith("a portfolio: 2 files inside, 1 of them PDFs, are not read")
