"""API keys where labelling tools put them: these cannot send a header of our choice."""

import base64

from starlette.datastructures import Headers

TOKEN_HEADER = "Token"  # noqa: S105 (a header's name)


def tool_key(headers: Headers) -> str | None:
    """The password of basic authentication (Label Studio), or the header of X-AnyLabeling."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return headers.get(TOKEN_HEADER)
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:  # neither base64 nor UTF-8; headers may hold any byte
        return None
