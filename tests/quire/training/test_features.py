"""The cache of features, with a graph so small that no weights are needed."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quire.command import BadInput
from quire.training.features import FeatureCache, square
from tests.conftest import Encode


def write_encoder(path: Path, factor: float = 1) -> Path:
    """Images (N, S, S, 3) → features (N, 3), the mean colour times a factor; class_probabilities (N, 3), the largest."""
    make, info = helper.make_node, helper.make_tensor_value_info
    nodes = [
        make("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        make("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        make("Mul", ["mean", "factor"], ["features"]),
        make("ReduceMax", ["pixels", "axes"], ["class_probabilities"], keepdims=0),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("factor", TensorProto.FLOAT, [], [factor]),
    ]
    images = info("images", TensorProto.UINT8, ["N", 8, 8, 3])
    outputs = [info(name, TensorProto.FLOAT, ["N", 3]) for name in ("features", "class_probabilities")]
    graph = helper.make_graph(nodes, "encoder", [images], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.fixture
def files(tmp_path: Path, make_image: Encode) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(make_image("PNG", seed=number))
    return paths


def read(cache: FeatureCache, files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    features, classes = cache.rows(files, [sha256(path.read_bytes()).hexdigest() for path in files], threads=2)
    return np.asarray(features), np.asarray(classes)


@pytest.fixture
def open_cache(tmp_path: Path) -> Callable[..., FeatureCache]:
    encoder = write_encoder(tmp_path / "encoder.onnx")
    return lambda encoder=encoder, size=8, rule="crop": FeatureCache(encoder, size, rule, tmp_path / "cache")


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(_: Path) -> None:
        raise AssertionError("the encoder was loaded")

    monkeypatch.setattr("quire.training.features.load_session", loaded)


def test_features_are_the_encoders_in_the_order_of_the_files(open_cache: Callable[..., FeatureCache], files: list[Path]) -> None:
    features, classes = read(open_cache(), files)
    pixels = np.stack([square(path, 8, "crop") for path in files])
    assert features.dtype == np.float64
    assert features == pytest.approx(pixels.mean((1, 2)), rel=1e-6)
    assert np.array_equal(classes, pixels.max((1, 2)))


def test_what_is_known_needs_no_encoder_whatever_its_label_name_or_order(
    open_cache: Callable[..., FeatureCache], files: list[Path], request: pytest.FixtureRequest
) -> None:
    features, _ = read(open_cache(), files)
    request.getfixturevalue("no_session")
    moved = files[0].rename(files[0].with_name("moved.png"))
    again, _ = read(open_cache(), [*files[:0:-1], moved])
    assert np.array_equal(again[::-1], features)
    rows, _ = open_cache().rows(files[1:], [sha256(path.read_bytes()).hexdigest() for path in files[1:]], 1)
    assert isinstance(rows.parts[0].base, np.memmap)


def test_a_new_image_alone_is_computed(open_cache: Callable[..., FeatureCache], files: list[Path]) -> None:
    read(open_cache(), files[:4])
    cache = open_cache()
    features, _ = read(cache, files)
    assert sorted(len(table) for table in cache.tables) == [1, 4]
    assert features == pytest.approx(np.stack([square(path, 8, "crop").mean((0, 1)) for path in files]), rel=1e-6)


@pytest.mark.parametrize("damage", [lambda content: content[:-8], lambda content: content[:-8] + bytes(8), lambda _: b""])
def test_a_damaged_table_is_named_and_computed_anew(
    open_cache: Callable[..., FeatureCache],
    files: list[Path],
    damage: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache = open_cache()
    features, classes = read(cache, files)
    (table,) = cache.folder.glob("*.npy")
    table.write_bytes(damage(table.read_bytes()))
    again = read(open_cache(), files)
    assert capsys.readouterr().out == f"{table}: damaged, so what it held is computed anew\n"
    assert np.array_equal(again[0], features)
    assert np.array_equal(again[1], classes)


def test_two_runs_at_once_and_a_deleted_cache_harm_nothing(open_cache: Callable[..., FeatureCache], files: list[Path]) -> None:
    one, other = open_cache(), open_cache()
    assert np.array_equal(read(one, files)[0], read(other, files)[0])
    assert len(list(one.folder.iterdir())) == 1  # both wrote the same
    for path in one.folder.iterdir():
        path.unlink()
    one.folder.rmdir()
    assert np.array_equal(read(one, files)[0], read(open_cache(), files)[0])


def test_another_encoder_or_rule_has_features_of_its_own(
    open_cache: Callable[..., FeatureCache], files: list[Path], tmp_path: Path
) -> None:
    features, _ = read(open_cache(), files)
    assert read(open_cache(encoder=write_encoder(tmp_path / "twice.onnx", 2)), files)[0] == pytest.approx(2 * features)
    assert not np.array_equal(read(open_cache(rule="squash"), files)[0], features)


def test_what_cannot_be_used_is_told_though_its_features_are_known(
    open_cache: Callable[..., FeatureCache], files: list[Path]
) -> None:
    contents = [sha256(path.read_bytes()).hexdigest() for path in files]
    assert open_cache().unusable(files, contents, 2) == {}
    files[1].write_bytes(files[1].read_bytes() + b" ")
    files[2].write_bytes(b"no image")
    contents[2] = sha256(b"no image").hexdigest()
    found = open_cache().unusable(files, contents, 2)
    assert (set(found), found[1]) == ({1, 2}, None)
    assert str(found[2]).startswith("not a JPEG")


def test_a_table_of_other_images_is_not_read(open_cache: Callable[..., FeatureCache], files: list[Path]) -> None:
    """Nor checked, so that a start costs what is wanted and not what there is."""
    cache = open_cache()
    for path in files[:4]:
        read(cache, [path])
    cache = open_cache()
    read(cache, files[:1])
    assert (len(cache.tables), len(cache.unchecked)) == (4, 3)


def test_an_image_that_cannot_be_decoded_is_named(open_cache: Callable[..., FeatureCache], tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"no\.png: not a JPEG, PNG, WebP, AVIF, HEIC or GIF image"):
        read(open_cache(), [tmp_path / "no.png"])
