"""The client that a request is counted for."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

_SUBSCRIBER_PREFIX = 64  # one subscriber has at least this network, and any address in it


class Client(NamedTuple):
    """Who sends a request.

    owner: of its sessions; empty where no keys are needed.
    name: that its requests are counted under.
    """

    owner: str
    name: str


def client_of_owner(owner: str) -> Client:
    """The client that showed a key of an owner."""
    return Client(owner, f"owner:{owner}")


def client_of_address(host: str | None) -> Client:
    """A client without a key, told apart by its address; IPv6 by its network.

    Args:
        host: remote address; None, or no address, over a Unix socket.
    """
    try:
        address = ip_address(host or "")
    except ValueError:
        return Client("", "address:local")
    return Client("", f"address:{_network_of(address)}")


def _network_of(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _SUBSCRIBER_PREFIX), strict=False))
