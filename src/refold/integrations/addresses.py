"""Addresses that a name leads to, and which of them messages are not sent to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from refold.errors import AddressRefused, ReceiverAway

Address: TypeAlias = IPv4Address | IPv6Address

_NAT64: Final = 0x64FF9B << 64
"""64:ff9b::/96, behind which any IPv4 address stands."""
_OF_CLOUDS: Final = frozenset({"168.63.129.16"})
"""Global by its number, and yet the host's own."""


def addresses_of(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """The addresses to connect to, and to no others: a name that is looked up again might lead elsewhere.

    All that the name leads to are judged, so that a private one cannot hide behind a public one.

    Raises:
        ReceiverAway: the name is not known now.
        AddressRefused: an address is not one of the public internet.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ReceiverAway(f"the name {host!r} cannot be looked up: {error}") from error
    except UnicodeError as error:
        raise AddressRefused(host, host, "no name") from error
    addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
    for each in addresses:
        kind = kind_of(each)
        if kind is not None and not allow_private:
            raise AddressRefused(host, each, kind)
    return addresses


def kind_of(text: str) -> str | None:
    """Why an address is none of the public internet; `None` if it is one."""
    address = _carried(ip_address(text.partition("%")[0]))
    if str(address) in _OF_CLOUDS:
        return "of the cloud's own machines"
    for name, holds in (
        ("unspecified", address.is_unspecified), ("of this machine", address.is_loopback), ("link-local", address.is_link_local),
        ("multicast", address.is_multicast), ("private", address.is_private), ("reserved", address.is_reserved),
    ):  # fmt: skip
        if holds:
            return name
    return None if address.is_global else "not of the public internet"


def _carried(address: Address) -> Address:
    """The IPv4 address that one of IPv6 carries along, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    upper = int(address) >> 32
    if upper == _NAT64 or (upper == 0 and int(address) > 1):  # or the long retired ::a.b.c.d
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
