import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from quire.provenance.difference import Place, first_difference

Pair = Callable[[str, bytes, bytes], tuple[Path, Path]]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Write two contents under one name in two folders."""

    def write(name: str, before: bytes, after: bytes) -> tuple[Path, Path]:
        for folder, content in (("before", before), ("after", after)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(content)
        return tmp_path / "before" / name, tmp_path / "after" / name

    return write


def model(weight: float, nodes: int = 0) -> bytes:
    tensor = onnx.numpy_helper.from_array(np.array([[1.0, weight]], np.float32), "head.weight")
    steps = [onnx.helper.make_node("Identity", ["head.weight"], [f"out{number}"]) for number in range(nodes)]
    return bytes(onnx.helper.make_model(onnx.helper.make_graph(steps, "g", [], [], [tensor])).SerializeToString())


def arrays(feature: float, key: str) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, features=np.array([1.0, feature]), keys=np.array(["a", key]))
    return buffer.getvalue()


def test_equal_files_have_none(pair: Pair) -> None:
    assert first_difference(*pair("a.csv", b"x\n1\n", b"x\n1\n")) is None


@pytest.mark.parametrize(
    ("name", "before", "after", "place"),
    [
        ("a.csv", b"key,p\na,0.5\nb,1\n", b"key,p\na,0.5\nb,0.75\n", Place("row 2, column p: 1 became 0.75", 0.25)),
        ("a.csv", b"key\na\n", b"key\na\nb\n", Place("row 2, column key: None became b", math.inf)),
        ("a.csv", b"key\n", b"name\n", Place("header: key became name", math.inf)),
        ("a.json", b'{"a": {"b": [1, 2]}}', b'{"a": {"b": [1, 4]}}', Place("field a.b.1: 2 became 4", 2)),
        ("a.md", b"one\ntwo\n", b"one\n2\n", Place("line 2: two became 2", math.inf)),
        ("a.onnx", model(2), model(2.5), Place("tensor head.weight[0, 1]: 2.0 became 2.5", 0.5)),
        ("a.onnx", model(2), model(2, nodes=1), Place("byte 3", math.inf)),
        ("a.npz", arrays(2, "b"), arrays(2.25, "b"), Place("tensor features[1]: 2.0 became 2.25", 0.25)),
        ("a.npz", arrays(2, "b"), arrays(2, "c"), Place("tensor keys[1]: b became c", math.inf)),
        ("a.csv", b"key,p\na,0.5 0.25\n", b"key,p\na,0.75 0.25\n", Place("row 1, column p: 0.5 0.25 became 0.75 0.25", 0.25)),
        ("a.csv", b"key,p\na,0.5 0.25\n", b"key,p\na,0.5\n", Place("row 1, column p: 0.5 0.25 became 0.5", math.inf)),
        ("a.bin", b"abc", b"abd", Place("byte 2", math.inf)),
        ("a.csv", b"key\na\n", b"key\r\na\r\n", Place("byte 3", math.inf)),
    ],
)
def test_the_place_is_named_in_the_terms_of_the_format(pair: Pair, name: str, before: bytes, after: bytes, place: Place) -> None:
    assert first_difference(*pair(name, before, after)) == place


def test_a_pixel_is_named(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pixels[2, 5] = (0, 51, 0)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    place = first_difference(tmp_path / "a.png", tmp_path / "b.png")
    assert place == Place("pixel x=5, y=2: (0, 0, 0) became (0, 51, 0)", 0.2)


def test_in_a_folder_the_file_is_named(tmp_path: Path) -> None:
    for folder, rows in (("before", ["1"]), ("after", ["2"])):
        (tmp_path / folder / "sub").mkdir(parents=True)
        with (tmp_path / folder / "sub" / "a.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([["x"], rows])
    (tmp_path / "after" / "z.txt").touch()
    place = first_difference(tmp_path / "before", tmp_path / "after")
    assert place == Place("sub/a.csv: row 1, column x: 1 became 2 (and 1 more files)", math.inf)
