"""Two thousand hostile requests, generated from a seed: none may be a 5xx, hang, or cost memory for good.

python -m benchmarks.hostile      after `make repro`
"""

import http.client
import zlib
from collections import Counter
from random import Random

from PIL import Image

from benchmarks.serving import Server, jpegs, quire
from quire.demo.drawing import encoded
from quire.demo.images import pdf

REQUESTS, SEED, PATIENCE = 2000, 20, 20
ROUTES = ("/v1/classify", "/v1/classify/batch", "/v1/classify/pdf", "/v1/feedback", "/upload")
FORM = "multipart/form-data; boundary=x"


def seeds() -> list[bytes]:
    """What the requests are made of: good files, bombs, files that claim to be larger than they are."""
    new = Image.new
    good = [*jpegs(4), encoded(new("RGB", (80, 60)), "WEBP"), *(encoded(new(mode, (50, 50)), "PNG") for mode in ("P", "RGBA"))]
    bombs = [encoded(new("1", (side, side)), "PNG") for side in (9000, 30000)]
    small = encoded(new("RGB", (20, 20)), "PNG")
    header = small[12:16] + (60_000).to_bytes(4, "big") * 2 + small[24:29]
    liar = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    other = [b"", b"GIF89a\1\0\1\0;", b"<svg/>", b"http://192.0.2.1/cat.jpg", b"%PDF-1.7\n%%EOF", b'{"id": 1}']
    return [*good, *bombs, liar, pdf([good[0], good[0]]), *other]


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


def memory(server: Server) -> int:
    """Megabytes that the service's processes hold."""
    return sum(int(each.memory_info().rss) for each in server.process.children(recursive=True)) // 2**20


def main() -> None:
    random, sources, statuses = Random(SEED), seeds(), Counter[int | str]()
    with quire() as server:
        for source in sources:
            send(server.port, "/v1/classify/pdf" if source.startswith(b"%PDF") else "/v1/classify", source, "", random)
        before = memory(server)
        for _ in range(REQUESTS):
            data = random.choice(sources)
            body, declared = wrapped(data if random.random() < 0.3 else mutated(data, random), random)
            statuses[send(server.port, random.choice(ROUTES), body, declared, random)] += 1
        after = memory(server)
    said = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items(), key=str))
    print(f"{REQUESTS} requests from seed {SEED}: {said}")
    failures = sum(count for status, count in statuses.items() if isinstance(status, int) and status >= 500)
    print(f"5xx: {failures}; without an answer: {statuses['no answer']}; memory {before} MB, then {after} MB")


if __name__ == "__main__":
    main()
