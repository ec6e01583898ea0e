"""Reads the settings from the environment, where a misspelt one is not passed over."""

import os

from service.client.connection import KEY_VARIABLE, URL_VARIABLE
from service.settings import Settings


class UnknownSettingError(ValueError):
    """A variable looks like a setting and is none; the message names it."""


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        UnknownSettingError.
        pydantic.ValidationError.
    """
    known = {f"FSS_{name.upper()}" for name in Settings.model_fields}
    # Settings may be written in small letters; the variables of the client may not.
    unknown = sorted(
        name
        for name in os.environ.keys() - {KEY_VARIABLE, URL_VARIABLE}
        if name.upper().startswith("FSS_") and name.upper() not in known
    )
    if unknown:
        raise UnknownSettingError(f"no setting {', '.join(unknown)}")
    return Settings()
