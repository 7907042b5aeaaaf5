"""The base class of the sections of a recipe."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base class of every section: instances are immutable, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
