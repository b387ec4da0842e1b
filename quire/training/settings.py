"""What `train` in params.yaml says."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from quire.model.inputs import ResizeRule
from quire.training.selective import Selective
from quire.training.text_expert import TextSettings
from quire.training.zero_shot import Groups

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Precision = Literal["int8", "fp32"]  # of the encoder
Backbone = Literal["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]


class ZeroShotSettings(BaseModel):
    """Which classes of the backbone are a label's, and the ridge that keeps the head from overruling them on the open question."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    groups: Groups  # none: no zero-shot experts
    named_against_background: NotNegative


class Settings(BaseModel):
    """All of it: what decides the model beside the data, the code and the packages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    backbone: Backbone
    precision: Precision
    image_size: int
    resize: ResizeRule
    epochs: int
    patience: int
    weight_decay: float
    fine_tune: bool
    fine_tune_epochs: int
    fine_tune_batch_size: int
    fine_tune_learning_rate: float
    zero_shot: ZeroShotSettings
    text: TextSettings
    selective: Selective
    seed: int
