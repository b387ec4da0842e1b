"""Send what is missing, in parallel; after a failure look what is there before anything is sent again."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from labelling.errors import CallFailed
from labelling.session import PARALLEL
from labelling.tool import Image, Pushed

PAUSES = (0.0, 2.0, 8.0, 30.0)  # seconds before each attempt

Batch = list[Image]
Send = Callable[[Batch], dict[str, str]]  # returns what was refused, with the reason


def upload_missing(images: Sequence[Image], there: Callable[[], set[str]], send: Send, most: int, most_bytes: int) -> Pushed:
    """Send the images whose name is not among `there()`, at most `most` and `most_bytes` of them at once.

    A failure that may pass stops the attempt; the next one begins with what is there by then. Raises CallFailed
    for any other failure, and when the attempts are used up.
    """
    known = there()
    pushed = Pushed(there=sum(image.name in known for image in images))
    failure: CallFailed | None = None
    for pause in PAUSES:
        missing = [image for image in images if image.name not in known and image.name not in pushed.refused]
        if not missing:
            break
        time.sleep(pause)
        failure = _attempt(batches(missing, most, most_bytes), send, pushed)
        known = there()
        if failure is None:
            left_out = [image for image in missing if image.name not in known | set(pushed.refused)]
            pushed.refused |= {image.name: f"left out by the server ({image.size} bytes)" for image in left_out}
    if failure and any(image.name not in known and image.name not in pushed.refused for image in images):
        raise failure
    pushed.sent = sum(image.name in known for image in images) - pushed.there
    pushed.refused = {name: why for name, why in pushed.refused.items() if name not in known}
    return pushed


def batches(images: Iterable[Image], most: int, most_bytes: int) -> list[Batch]:
    """Cut into lists of at most `most` images and `most_bytes` bytes; a single larger image stands alone."""
    cut: list[Batch] = []
    for image in images:
        if not cut or len(cut[-1]) == most or sum(each.size for each in cut[-1]) + image.size > most_bytes:
            cut.append([])
        cut[-1].append(image)
    return cut


def _attempt(work: list[Batch], send: Send, pushed: Pushed) -> CallFailed | None:
    """Send all batches; return the failure that ended the attempt, if it may pass."""
    with ThreadPoolExecutor(PARALLEL) as pool, tqdm(total=sum(map(len, work)), desc="push", unit="image", disable=None) as bar:
        running = {pool.submit(send, batch): batch for batch in work}
        try:
            for done in as_completed(running):
                pushed.refused |= done.result()
                bar.update(len(running[done]))
        except CallFailed as failure:
            if not failure.may_pass:
                raise
            return failure
        finally:  # also when a person breaks off: what is under way ends, what waits is dropped
            pool.shutdown(cancel_futures=True)
    return None
