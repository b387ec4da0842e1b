"""Two thousand hostile requests, generated from a seed: none may be a 5xx, hang, or cost memory for good.

python -m benchmarks.hostile      after `make repro`
"""

import http.client
import io
import subprocess
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from random import Random

from PIL import Image

from benchmarks.peers import MODEL
from benchmarks.serving import free_port, jpegs, running
from quire.demo.images import pdf

REQUESTS, SEED, PATIENCE = 2000, 20, 20
ROUTES = ("/v1/classify", "/v1/classify/batch", "/v1/classify/pdf", "/v1/feedback", "/upload")
FORM = "multipart/form-data; boundary=x"


def encoded(encoding: str, size: tuple[int, int], mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, encoding)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    """What the requests are made of: good files, bombs, files that claim to be larger than they are."""
    good = [*jpegs(4), encoded("PNG", (80, 60), "P"), encoded("WEBP", (80, 60)), encoded("PNG", (50, 50), "RGBA")]
    header = encoded("PNG", (20, 20))
    liar = (
        header[:16]
        + (60_000).to_bytes(4, "big") * 2
        + header[24:29]
        + zlib.crc32(header[12:16] + (60_000).to_bytes(4, "big") * 2 + header[24:29]).to_bytes(4, "big")
        + header[33:]
    )
    other = [
        b"",
        b"GIF89a\1\0\1\0;",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"http://192.0.2.1/cat.jpg",
        b"%PDF-1.7\n%%EOF",
        b'{"id": 1}',
    ]
    return [*good, encoded("PNG", (9000, 9000), "1"), encoded("PNG", (30000, 30000), "1"), liar, pdf([good[0], good[0]]), *other]


def mutated(data: bytes, random: Random) -> bytes:
    """The data cut, with bytes changed, doubled, or with others put in."""
    kind = random.randrange(5)
    if not data or kind == 0:
        return random.randbytes(random.choice((0, 1, 100, 5000)))
    if kind == 1:
        return data[: random.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(random.choice((1, 5, 50))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    if kind == 2:
        at = random.randrange(len(changed))
        changed[at:at] = random.randbytes(20)
    return bytes(changed + changed) if kind == 3 else bytes(changed)


def wrapped(data: bytes, random: Random) -> tuple[bytes, str]:
    """A body and its declared type: raw, a form, a broken form."""
    kind = random.randrange(6)
    if kind < 3:
        return data, random.choice(
            ("image/jpeg", "application/json", "application/x-www-form-urlencoded", "", "multipart/form-data")
        )
    field = random.choice(("image", "images", "file", "pdf", "id", "label", "", 'a"b', "x" * 500)).encode()
    name = random.choice((b'; filename="x.jpg"', b'; filename="../../x"', b"", b'; filename="'))
    form = b'--x\r\nContent-Disposition: form-data; name="' + field + b'"' + name + b"\r\n\r\n" + data + b"\r\n--x--\r\n"
    return (form if kind < 5 else mutated(form, random)), FORM


def send(port: int, route: str, body: bytes, declared: str, random: Random) -> int | str:
    """The status of one request, or why there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Content-Type": declared} if declared else {}
    chunks = iter([body[: len(body) // 2], body[len(body) // 2 :]]) if random.random() < 0.2 else None
    try:
        connection.request("POST", route, body=chunks or body, headers=headers, encode_chunked=chunks is not None)
        return connection.getresponse().status
    except TimeoutError:
        return "no answer"
    except OSError as error:  # the server may close early on a body that it refuses
        return type(error).__name__
    finally:
        connection.close()


def memory() -> int:
    """Megabytes that this machine's service processes hold."""
    listed = subprocess.run(["ps", "-eo", "rss,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines() if "_bentoml_impl.worker" in line or "multiprocessing" in line]
    return sum(int(size) for size, _ in rows) // 1024


def main() -> None:
    random, port, sources = Random(SEED), free_port(), seeds()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"QUIRE_MODEL": str(MODEL), "QUIRE_STORE": f"{folder}/store", "BENTOML_HOME": f"{folder}/bentoml"}
        with running(["bentoml", "serve", "--port", str(port)], port, Path(folder, "log"), **environment):
            for source in sources:
                send(port, "/v1/classify/pdf" if source.startswith(b"%PDF") else "/v1/classify", source, "", random)
            before, statuses = memory(), Counter[int | str]()
            for _ in range(REQUESTS):
                data = random.choice(sources)
                body, declared = wrapped(data if random.random() < 0.3 else mutated(data, random), random)
                statuses[send(port, random.choice(ROUTES), body, declared, random)] += 1
            after = memory()
    print(
        f"{REQUESTS} requests from seed {SEED}: "
        + ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items(), key=str))
    )
    failures = sum(count for status, count in statuses.items() if isinstance(status, int) and status >= 500)
    print(f"5xx: {failures}; without an answer: {statuses['no answer']}; memory {before} MB, then {after} MB")


if __name__ == "__main__":
    main()
