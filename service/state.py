"""What the routes work with: made once a worker."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from service.auth import Tokens
from service.inference import Inference
from service.openapi import document
from service.settings import Settings
from service.store import Store
from service.telemetry import UNDER_WAY, export_zeros

if TYPE_CHECKING:
    from service.pdf import PdfReader


class State:
    """The model, the store, the issuer's keys, the reader of PDFs, and what is being received."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inference = Inference(settings)
        self.store = Store(settings, self.inference.model.version)
        self.tokens = Tokens(settings) if settings.oidc_issuer else None
        self.pdf = _pdf_reader(settings)
        self.openapi = document(settings)
        self.receiving = 0  # requests
        self.held = 0  # bytes of bodies
        # A thread each, so that neither waits for the other nor for the model.
        self.feedback_thread, self.health_thread = ThreadPoolExecutor(1, "feedback"), ThreadPoolExecutor(1, "health")
        export_zeros()
        UNDER_WAY.set_function(lambda: self.inference.under_way)


def _pdf_reader(settings: Settings) -> "PdfReader | None":
    try:
        from service.pdf import PdfReader  # noqa: PLC0415 - an optional part
    except ImportError:  # without the group `pdf`, as the container is by default
        return None
    return PdfReader(settings)
