"""The one way out to a vendor's API: to its own hosts, by https, to a public address, once, and not for long.

The address that was checked is the one that is connected to, so a name that resolves to something else a moment later
(DNS rebinding) changes nothing. No redirect is followed, no proxy is used, nothing is decompressed.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import HTTPError

from rollcall.runtime.settings import optional
from rollcall.sources.asking import Answer, FailedError, NonsenseError, RefusedQuestionError

if TYPE_CHECKING:
    from rollcall.sources.asking import Manners, Question

HTTPS_PORT = 443
CONNECT_SECONDS = 2.0
MAX_ANSWER = 1024 * 1024
CHUNK = 64 * 1024
# What Python versions judge differently, by IANA's registries of special-purpose addresses.
_SPECIAL = [
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "5f00::/16")
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def ask(question: Question, manners: Manners, seconds: float) -> Answer:
    """Send a question and return the answer, whatever its status.

    Parameters
    ----------
    seconds
        How long the whole of it may take.

    Raises
    ------
    RefusedQuestionError
        If the host is not one of the vendor's, or resolves to an address that is not public.
    FailedError
        If the vendor cannot be reached, or not in time.
    NonsenseError
        If the answer is larger than 1 MiB, or comes compressed.
    """
    if not manners.host.fullmatch(question.host):
        raise RefusedQuestionError
    if seconds <= 0:
        raise FailedError
    end = time.monotonic() + seconds
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
    pool = _local_pool(timeout) or _pool(question.host, timeout)
    try:
        response = pool.urlopen(
            question.method,
            question.path,
            body=question.body or None,
            headers={**question.headers, "host": question.host, "accept-encoding": "identity"},
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        if headers.get("content-encoding", "identity") != "identity":
            raise NonsenseError
        return Answer(response.status, headers, _read(response, end))
    except (HTTPError, OSError, ValueError) as exc:  # ValueError: a status line or length that is none
        raise FailedError from exc
    finally:
        pool.close()


def public_address(host: str) -> str:
    """Return an address of the host, all of whose addresses are public.

    Raises
    ------
    RefusedQuestionError
        If any of them is not.
    FailedError
        If the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise FailedError from exc
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise RefusedQuestionError
    return addresses[0]


def is_public(text: str) -> bool:
    """Tell whether an address is one of the public Internet, also where an IPv6 address has an IPv4 address in it."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _pool(host: str, timeout: urllib3.Timeout) -> urllib3.HTTPConnectionPool:
    return urllib3.HTTPSConnectionPool(
        public_address(host), HTTPS_PORT, timeout=timeout, maxsize=1, server_hostname=host, cert_reqs="CERT_REQUIRED"
    )


def _local_pool(timeout: urllib3.Timeout) -> urllib3.HTTPConnectionPool | None:
    """Return the way to a vendor-like server on this machine; only a local stack has one, never one on AWS."""
    base = optional("VENDOR_API_BASE")
    if not base or optional("STAGE") != "local":
        return None
    url = urllib3.util.parse_url(base)
    return urllib3.HTTPConnectionPool(str(url.host), url.port, timeout=timeout, maxsize=1)


def _read(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """Read an answer whole; one that drips in forever, or never ends, is cut."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(CHUNK):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise NonsenseError
        if time.monotonic() > end:
            raise FailedError
    return b"".join(parts)
