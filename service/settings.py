"""Configuration of the service: environment variables, their defaults here and nowhere else."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from quire.command import cores
from quire.decode import MAX_PIXELS

Use = Literal["predict", "feedback", "admin"]  # what a token is shown for


class Settings(BaseSettings):
    """Each field is the environment variable QUIRE_<NAME>. Raises pydantic's ValidationError, which names the variable."""

    model_config = SettingsConfigDict(env_prefix="QUIRE_", frozen=True)

    # In the repository and in a bento alike; or models:/quire@champion, of the MLflow that MLFLOW_TRACKING_URI names.
    model: Path = Path(__file__).parents[1] / "model"

    max_bytes: Annotated[int, Field(gt=0)] = 10_000_000  # of one request's body
    max_bytes_together: Annotated[int, Field(gt=0)] = 200_000_000  # of all bodies that are not answered yet
    max_pixels: Annotated[int, Field(gt=0, le=MAX_PIXELS)] = MAX_PIXELS
    max_characters: Annotated[int, Field(gt=0)] = 100_000  # of a text
    max_images: Annotated[int, Field(gt=0)] = 32  # of one batch
    max_pages: Annotated[int, Field(gt=0)] = 100  # of a PDF
    max_pdf_images: Annotated[int, Field(gt=0)] = 500  # of a PDF, those that are too small to classify included
    min_side: Annotated[int, Field(gt=0)] = 16  # pixels of an image in a PDF: below are rules, borders and shadows
    max_memory: Annotated[int, Field(gt=0)] = 256  # MB of a process that reads a PDF, beside one image of `max_pixels`
    pdf_workers: Annotated[int, Field(gt=0)] = 2  # processes that read PDFs: one that takes long does not hold up the others
    max_seconds: Annotated[float, Field(gt=0)] = 30.0  # to send a body; to take a PDF apart, of the clock and of the processor
    max_requests: Annotated[int, Field(gt=0)] = 32  # being answered or waiting for it
    max_uploads: Annotated[int, Field(gt=0)] = 200  # being received
    threads: Annotated[int, Field(gt=0)] = Field(default_factory=cores)  # that decode and predict

    explain_neighbours: bool = False  # whether `?explain=true` names the nearest training images

    store: Path = Path("feedback")  # the log of answers and the labels that people sent
    keep_images: Literal["none", "feedback", "unsure", "both"] = "none"
    keep_days: Annotated[int, Field(gt=0)] = 30
    pseudonym_key: SecretStr = SecretStr("")  # whoever sends a label is named by it; without it, anew at each start

    oidc_issuer: str = ""
    oidc_audience: str = "quire"
    oidc_jwks_url: str = ""  # empty: as the issuer's discovery document says
    oidc_scope: str = "quire:predict"
    oidc_feedback_scope: str = "quire:feedback"
    oidc_admin_scope: str = "quire:admin"
    public_without_auth: bool = False

    def scope_of(self, use: Use) -> str:
        """The word that a token's scope must hold."""
        return {"predict": self.oidc_scope, "feedback": self.oidc_feedback_scope, "admin": self.oidc_admin_scope}[use]

    @property
    def oidc_discovery_url(self) -> str:
        """Where the issuer describes itself (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
