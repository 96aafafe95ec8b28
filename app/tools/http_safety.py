"""Where requests of tools may go: every address is checked once and then connected to, never looked up again.

This is what stands between a pipeline and the services behind the firewall (server-side request forgery).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread

from app.domain.texts import t
from ordinaut.tools import ToolFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
"""`resolve(host, port)` gives textual addresses; raises OSError when there are none."""

PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})
_MAX_URL = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Special-purpose ranges that `is_global` of some Python versions lets through (RFC 6890 and its successors).
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "100::/64",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """The origin and path of a checked URL; `host` is lower case, without brackets and final dot."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The URL again, without fragment."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def netloc(self) -> str:
        """Host and port as the Host header names them (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """What may be reached beyond the public internet on its web ports.

    Attributes:
        hosts: `(host, port)` admitted by name, whatever they resolve to; port None admits every port.
        networks: `(network, port)` admitted by address, likewise.
        ports: Ports of public hosts that need no admission.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()
    ports: frozenset[int] = field(default=PUBLIC_PORTS)

    @classmethod
    def parse(cls, text: str) -> HttpPolicy:
        """Read `ORDINAUT_HTTP_ALLOWED_HOSTS`: `localhost, 10.0.0.0/8, intranet.example:8443, [::1]:9000`.

        Raises:
            ValueError: An entry is neither a host nor a network; the message names it.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, port = _entry(entry)
            network = _network(name)
            if network is not None:
                networks.append((network, port))
            elif _HOST.fullmatch(name):
                hosts.add((name.lower().rstrip("."), port))
            else:
                raise ValueError(f"{entry!r} is neither a host name nor a network such as 10.0.0.0/8")
        return cls(frozenset(hosts), tuple(networks))

    def admits_host(self, host: str, port: int) -> bool:
        """Whether the operator vouches for this name on this port."""
        return (host, None) in self.hosts or (host, port) in self.hosts

    def admits_address(self, address: Address, port: int) -> bool:
        """Whether the address is of a network the operator admits on this port."""
        networks = [network for network, only in self.networks if only in (None, port)]
        carried = _embedded(address)
        return _within(address, networks) or (bool(carried) and all(_within(inner, networks) for inner in carried))


def parse_target(url: str) -> Target:
    """The parts of an absolute http or https URL, normalised.

    Raises:
        ToolFailed: `invalid_url`; the message never repeats the URL, which may hold a password.
    """
    if len(url) > _MAX_URL or _UNSAFE_IN_URL.search(url):
        raise _invalid(
            t("The URL has a space, control character or backslash, or is longer than {limit}", limit=_MAX_URL)
        )
    try:
        # Loaded when a URL is first to be read: most web processes call no tool, and all of them have to start.
        parts = import_module("urllib3.util").parse_url(url)
    except ValueError:
        raise _invalid(t("The URL cannot be read")) from None
    if parts.scheme not in _DEFAULT_PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise _invalid(t("The URL must start with http:// or https://"))
    if parts.auth is not None or "@" in (parts.netloc or ""):
        raise _invalid(t("The URL must not carry a user name or password: give them in `auth`"))
    host = (parts.host or "").strip("[]").lower().rstrip(".")
    if not _HOST.fullmatch(host) and _literal(host) is None:
        raise _invalid(t("The URL names no valid host"))
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0:
        raise _invalid(t("Port 0 cannot be connected to"))
    return Target(parts.scheme, host, port, parts.request_uri)


def safe_addresses(policy: HttpPolicy, target: Target, *, resolve: Resolver, seconds: float) -> tuple[str, ...]:
    """The addresses the target may be connected to; one forbidden address forbids the host.

    Raises:
        ToolFailed: `address_refused`, `connect_error` (no such host), `timeout` (no answer within `seconds`).
    """
    texts = _lookup(target, resolve, seconds)
    try:
        addresses = tuple(ipaddress.ip_address(text) for text in texts)
    except ValueError:
        raise ToolFailed(
            t("The name {host} resolves to no IP address", host=target.host), type="connect_error"
        ) from None
    if policy.admits_host(target.host, target.port):
        return tuple(texts)
    for address in addresses:
        if policy.admits_address(address, target.port):
            continue
        if not is_public(address):
            raise _refused(t("{host} leads to a private or reserved address", host=target.host), target)
        if target.port not in policy.ports:
            raise _refused(t("Port {port} of a public host is not one of the web ports", port=target.port), target)
    return tuple(texts)


def is_public(address: Address) -> bool:
    """Whether the address, and the IPv4 address it carries if it does, is unicast on the public internet."""
    carried = _embedded(address)
    if carried:
        return all(is_public(inner) for inner in carried)
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address in _V4_COMPATIBLE):
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not special and not _within(address, _NEVER_PUBLIC)


def system_addresses(host: str, port: int) -> list[str]:
    """What the machine's resolver says, in its order of preference; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """IPv4 addresses inside an IPv6 one: mapped (RFC 4291), NAT64 (6052), 6to4 (3056), Teredo (4380)."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


def _lookup(target: Target, resolve: Resolver, seconds: float) -> Sequence[str]:
    """Resolve in a thread of its own, for the system's resolver knows no time limit."""
    if _literal(target.host) is not None:
        return (target.host,)
    answers: SimpleQueue[Sequence[str] | OSError | UnicodeError] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0))
    except Empty:
        raise ToolFailed(t("The name {host} was not resolved in time", host=target.host), type="timeout") from None
    if isinstance(answer, (OSError, UnicodeError)) or not answer:
        raise ToolFailed(t("The name {host} cannot be resolved", host=target.host), type="connect_error")
    return answer


def _entry(entry: str) -> tuple[str, int | None]:
    """Host or network, and port: `a.example:8443`, `10.0.0.0/8`, `[::1]:9000`, `fd00::/8`."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", entry)
    plain = re.fullmatch(r"([^:\[\]]+)(?::(\d{1,5}))?", entry)
    match = bracketed or plain
    if match is None:
        return entry, None
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{entry!r} has a port outside 1 to 65535")
    return match[1], port


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _invalid(message: str) -> ToolFailed:
    return ToolFailed(message, type="invalid_url", retryable=False)


def _refused(message: str, target: Target) -> ToolFailed:
    return ToolFailed(
        t("{message}; an operator can admit it with ORDINAUT_HTTP_ALLOWED_HOSTS", message=message),
        type="address_refused",
        retryable=False,
        details={"host": target.host, "port": target.port},
    )
