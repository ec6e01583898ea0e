"""API keys, rate limits and what one client may hold at once."""

from service.access.client import Client, client_of_address, client_of_owner
from service.access.key_file import KeyFile
from service.access.keys import KeyFileError, KeyRing, key_line, new_key
from service.access.policy import Access
from service.access.rate_limits import Quota, RateLimits, Verdict
from service.access.rate_storage import RateStorage

__all__ = [
    "Access",
    "Client",
    "KeyFile",
    "KeyFileError",
    "KeyRing",
    "Quota",
    "RateLimits",
    "RateStorage",
    "Verdict",
    "client_of_address",
    "client_of_owner",
    "key_line",
    "new_key",
]
