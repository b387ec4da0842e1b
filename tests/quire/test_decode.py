import base64
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from quire.decode import UndecodableImage, decode, decode_noting, image_extension
from tests.conftest import ROOT, Encode

HEIC = base64.b85decode(  # 64 x 48, red above, green below; no encoder is installed
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004fZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=IV*mgE07O6l"
    "0RRC200001p#T8@00000001ih001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002}X>f9I0002pX>en20001X"
    "Xm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDnbDP18@KU0|1Z!00RI30{|YNAb|yz>g1-m"
    "xCm%4AOHXZ10VnZ0{|gn00967L;=Bbz=;3=025<xY;ta6Y<K_x01W^JfB*mh6lrsCWdHyG00000KmY&$KmY&$C}V74Z~y=RKmY&$0RR91FaQ7m"
    "0RR91000000{{R2@Bjb+0ssI25O8UDX#fBK00RgJ2mk;87-?{AVE_OC000000RRC7fdT^sga7~lGi_vHbN~PVCny203E(3&d4Kv#|Nf2Khn@M6"
    ")4RV?kL|95fAkvK`}C8lst-62"
)


@pytest.mark.parametrize(
    ("encoding", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGB")],
)
def test_every_mode_becomes_rgb(make_image: Encode, encoding: str, mode: str) -> None:
    image = decode(make_image(encoding, mode=mode))
    assert (image.mode, image.size) == ("RGB", (48, 32))


def test_transparency_lies_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(buffer, "PNG")
    assert decode(buffer.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue()).getpixel((0, 0)) == (128, 128, 128)


def test_exif_orientation_is_honoured(make_image: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert decode(make_image(size=(48, 32), exif=exif)).size == (32, 48)


@pytest.mark.parametrize("data", [b"a text file", b"%PDF-1.7", b"BM\1\0\1\0", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="not a JPEG, PNG, WebP, AVIF, HEIC or GIF image"):
        decode(data)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_truncated_data_are_refused(make_image: Encode, encoding: str) -> None:
    data = make_image(encoding, size=(200, 200))
    with pytest.raises(UndecodableImage):
        decode(data[: len(data) // 2])


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 200_000
    with pytest.raises(UndecodableImage, match="9000 x 9000 pixels, over the limit"):
        decode(buffer.getvalue())


def encoded(image: Image.Image, encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def two_halves(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red above, green below."""
    image = Image.new("RGB", size, (220, 40, 40))
    image.paste((40, 120, 40), (0, size[1] // 2, *size))
    return image


ANIMATED = {"save_all": True, "append_images": [Image.new("RGB", (64, 48), "blue")]}


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (HEIC, "heic"),
        (encoded(two_halves(), "AVIF"), "avif"),
        (encoded(two_halves(), "GIF"), "gif"),
        (encoded(two_halves(), "GIF", **ANIMATED), "gif"),
        (encoded(two_halves(), "WEBP", lossless=True, **ANIMATED), "webp"),
        (encoded(two_halves(), "AVIF", **ANIMATED), "avif"),
        (encoded(two_halves(), "PNG", **ANIMATED), "png"),
    ],
)
def test_of_what_people_send_the_first_frame_is_shown(data: bytes, extension: str) -> None:
    image = decode(data)
    assert (image_extension(data[:64]), image.size, image.mode) == (extension, (64, 48), "RGB")
    assert np.abs(np.asarray(image, int) - np.asarray(two_halves())).mean() < 8
    with pytest.raises(UndecodableImage, match="64 x 48 pixels, over the limit of 100"):
        decode(data, 100)
    with pytest.raises(UndecodableImage) as refused:
        decode(data[: len(data) // 3])
    assert refused.value.code == "damaged_image"


def test_a_webp_over_the_limit_is_refused_before_its_decoder_takes_memory_for_it() -> None:
    """Its header, in each of the three forms, tells its size."""
    for options in ({}, {"lossless": True}, ANIMATED):
        data = encoded(two_halves(), "WEBP", **options)
        with pytest.raises(UndecodableImage, match="64 x 48 pixels, over the limit of 3000"):
            decode(data[:60], 3000)


LACKING = """
import io, resource
from pathlib import Path
from quire.decode import decode, _prepare_heif
_prepare_heif()
data = Path({file!r}).read_bytes()
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + {room}, resource.RLIM_INFINITY))
try:
    decode(data)
except Exception as error:
    print(type(error).__name__)
else:
    print("decoded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")
@pytest.mark.parametrize(
    ("kind", "options", "room"),
    [("JPEG", {"progressive": True}, 34_000_000), ("WEBP", {}, 60_000_000), ("AVIF", {}, 15_000_000), ("PNG", {}, 10_000_000)],
)
def test_want_of_memory_is_no_damage(kind: str, options: dict[str, Any], room: int, tmp_path: Path) -> None:
    """Each needs more than there is room for, and its decoder says so in words that are damage's, too."""
    file = tmp_path / "image"
    file.write_bytes(encoded(two_halves((3200, 3200)), kind, **options))
    code = LACKING.format(file=str(file), room=room)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "MemoryError\n"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_is_decoded_small_and_shows_the_same(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(two_halves((1600, 1200)), "JPEG", quality=95, exif=exif)
    whole, small = decode(data), decode(data, size=100)
    assert min(small.size) == 300  # a quarter; an eighth would be below twice the 100
    assert whole.info["size"] == small.info["size"] == whole.size
    thumbnails = [np.asarray(image.resize((32, 32), Image.Resampling.BOX), int) for image in (whole, small)]
    assert np.abs(np.subtract(*thumbnails)).mean() < 1


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_an_image_that_is_not_much_larger_is_decoded_whole(make_image: Encode, encoding: str) -> None:
    data = make_image(encoding, size=(300, 200))
    assert np.array_equal(np.asarray(decode(data)), np.asarray(decode(data, size=100)))


def linear_profile() -> bytes:
    """SRGB's primaries and a tone curve of gamma 1."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.index(b"para", 200)
    profile[at : at + 32] = b"para\0\0\0\0\0\0\0\0" + (65536).to_bytes(4, "big") + bytes(16)
    return bytes(profile)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_heeded(encoding: str, mode: str) -> None:
    image = Image.new("RGB", (16, 16), (64, 128, 192)).convert(mode, palette=Image.Palette.ADAPTIVE)
    if encoding == "JPEG":
        image = image.convert("RGB")
    shown = np.asarray(decode(encoded(image, encoding, icc_profile=linear_profile())), int)[8, 8]
    assert np.abs(shown - (137, 188, 225)).max() <= 6  # 255 · sRGB(64 / 255) and so on


@pytest.mark.parametrize("profile", [b"no profile", bytes(500), ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_a_profile_that_cannot_be_used_changes_nothing(profile: bytes) -> None:
    image = Image.new("RGB", (16, 16), (64, 128, 192))
    assert decode(encoded(image, "PNG", icc_profile=profile)).getpixel((8, 8)) == (64, 128, 192)


def test_srgb_itself_is_not_converted() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    random = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    assert np.array_equal(np.asarray(decode(encoded(random, "PNG", icc_profile=profile))), np.asarray(random))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_every_kind_of_transparency_lies_on_white(mode: str) -> None:
    """More rows than are laid on white at a time."""
    image = Image.new("RGBA", (7, 600), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 7, 300))
    shown = np.asarray(decode(encoded(image.convert(mode), "PNG")), int)
    assert shown[:300].min() == 255
    assert shown[300:].max() <= 210


def test_16_bit_grey_keeps_its_transparency() -> None:
    values = np.full((4, 4), 0x8000, np.uint16)
    values[0] = 0x1234
    shown = decode(encoded(Image.fromarray(values), "PNG", transparency=0x1234))
    assert (shown.getpixel((0, 0)), shown.getpixel((0, 3))) == ((255, 255, 255), (128, 128, 128))


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Tag, type, count and four bytes of each."""
    packed = b"".join(struct.pack(">HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + packed + b"\0\0\0\0"


TURNED = (0x112, 3, 1, b"\0\x06\0\0")


@pytest.mark.parametrize(
    "entries",
    [
        (TURNED, (0x11A, 2, 3, b"72\0\0")),
        (TURNED, (0x11A, 7, 4, b"72\0\0")),
        (TURNED, (0x10F, 3, 1, b"\0\x07\0\0")),
        (TURNED, (0x102, 2, 2, b"8\0\0\0")),
        (TURNED, (0x8769, 4, 1, b"\xff\xff\xff\xff")),
        (TURNED, (0x8825, 2, 4, b"abcd")),
    ],
)
def test_a_turned_image_with_a_broken_exif_is_turned(entries: tuple[tuple[int, int, int, bytes], ...]) -> None:
    assert decode(encoded(two_halves(), "JPEG", exif=exif(*entries))).size == (48, 64)


@pytest.mark.parametrize(
    "broken", [b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0junk", exif((0x112, 2, 4, b"six\0")), exif((0x112, 3, 1, b"\0\x63\0\0"))]
)
def test_an_exif_without_an_orientation_leaves_the_image_as_it_is(broken: bytes) -> None:
    assert decode(encoded(two_halves(), "JPEG", exif=broken)).size == (64, 48)


def test_an_orientation_that_xmp_alone_states_is_not_heeded() -> None:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description tiff:Orientation='6'/></x:xmpmeta>"
    assert decode(encoded(two_halves(), "JPEG", xmp=xmp)).size == (64, 48)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "ancillary",
    [
        chunk(b"zTXt", b"mxfile\0\0" + zlib.compress(b"<mxCell/>" * 230_000)),
        chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"{}" * 700_000)),
        chunk(b"tEXt", b"workflow\0" + b"{}" * 1_000_000),
        chunk(b"zTXt", b"Comment\0\x78hello"),
        chunk(b"cHRM", bytes(8)),
        chunk(b"pHYs", bytes(4)),
        chunk(b"sRGB", b""),
        chunk(b"iCCP", b"x\0\x07junk"),
        chunk(b"tEXt", b"a\0b")[:-1] + b"x",
    ],
)
def test_what_stands_beside_the_pixels_refuses_no_image(ancillary: bytes) -> None:
    whole = encoded(two_halves(), "PNG")
    assert np.array_equal(np.asarray(decode(whole[:33] + ancillary + whole[33:])), np.asarray(two_halves()))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_is_whole_and_one_without_rows_is_not(options: dict[str, object]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)).resize((200, 200))
    data = encoded(image, "JPEG", **options)
    cut, note = decode_noting(data[:-2])
    assert np.array_equal(np.asarray(cut), np.asarray(decode(data)))
    assert note == "the end of the JPEG is missing, its rows are there"
    assert decode_noting(data)[1] == ""
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(UndecodableImage):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "pixels", "code", "message"),
    [
        (b"", 100, "empty", "no bytes at all"),
        (b"no image", 100, "not_an_image", "not a JPEG, PNG, WebP, AVIF, HEIC or GIF image"),
        (encoded(Image.new("RGB", (11, 10)), "PNG"), 109, "too_many_pixels", "11 x 10 pixels, over the limit of 109"),
        (encoded(Image.new("RGB", (60, 40)), "PNG")[:50], 9999, "damaged_image", ""),
    ],
)
def test_a_refusal_says_why(data: bytes, pixels: int, code: str, message: str) -> None:
    with pytest.raises(UndecodableImage) as refused:
        decode(data, pixels)
    assert refused.value.code == code
    assert str(refused.value) == message or (not message and str(refused.value) not in ("", "None"))


def test_as_many_pixels_as_the_limit_are_taken() -> None:
    assert decode(encoded(Image.new("RGB", (11, 10)), "PNG"), 110).size == (11, 10)


@pytest.mark.parametrize("head", [b"RIFF\x00\x00\x00\x00WAVEfmt ", b"\x00\x00\x00\x20ftypisom", b"\x00\x00\x00\x20freeheic"])
def test_a_container_of_something_else_is_no_image(head: bytes) -> None:
    assert image_extension(head.ljust(64, b"\0")) is None


def test_a_sequence_of_avif_is_avif() -> None:
    assert image_extension(b"\x00\x00\x00\x20ftypavis".ljust(64, b"\0")) == "avif"
    assert image_extension((b"\x00\x00\x00\x20ftypmif1\x00\x00\x00\x00mif1" + b"avif").ljust(64, b"\0")) == "avif"
