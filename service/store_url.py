"""Where sessions are kept, as a URL that is checked before anything is opened by it."""

import re
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr

MEMORY = "memory://"
_DATABASE = {"db": r"[0-9]+"}
_TLS = {
    "ssl_ca_certs": r".+",
    "ssl_cert_reqs": r"none|optional|required",
    "ssl_certfile": r".+",
    "ssl_check_hostname": r"true|false",
    "ssl_keyfile": r".+",
}
_OPTIONS = {"redis": _DATABASE, "rediss": _DATABASE | _TLS, "unix": _DATABASE}


def _checked(secret: SecretStr) -> SecretStr:
    """Reject a URL that no store can be opened by; messages do not repeat it."""
    text = secret.get_secret_value()
    if text == MEMORY:
        return secret
    url, port = _split(text)
    if url.scheme not in _OPTIONS:
        raise ValueError("must be memory:// or begin with redis://, rediss:// or unix://")
    if url.scheme == "unix":
        if not url.path.strip("/"):
            raise ValueError("names no socket; write unix:///path/of/the/socket?db=0")
    elif not url.hostname or port == 0 or not (url.path.strip("/") or "0").isdecimal():
        raise ValueError("must name a host and a database; write redis://host:6379/0")
    _check_options(url)
    return secret


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(text)
        return url, url.port
    except ValueError:
        # Without the cause, which quotes a password with a slash as a port.
        raise ValueError(
            "is not a URL; in a password, characters such as / and @ must be percent-encoded"
        ) from None


def _check_options(url: SplitResult) -> None:
    allowed = _OPTIONS[url.scheme]
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in allowed or not re.fullmatch(allowed[name], value):
            known = ", ".join(f"{option} ({shape})" for option, shape in allowed.items())
            raise ValueError(f"has an unknown or malformed option after ?; known are {known}")
    if url.fragment:
        raise ValueError("has a # in it; in a password it must be percent-encoded")


StoreUrl = Annotated[SecretStr, AfterValidator(_checked)]
