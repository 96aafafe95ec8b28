"""Who may do what: the capabilities that manifest or operator allow, and the refusal of all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from ordinaut import Capability, CapabilityDenied

EVERY = "*"
"""In the operator's table: every extension that has no line of its own."""

Table = Mapping[str, frozenset[Capability]]


def allowed(extension_id: str, manifest: Set[Capability], operator: Table) -> frozenset[Capability]:
    """What an extension may have: the operator's line for it, else what its manifest says."""
    line = operator.get(extension_id, operator.get(EVERY))
    return frozenset(manifest) if line is None else line


def requested(wishes: Iterable[object]) -> frozenset[Capability]:
    """What it asks for; it gets what of that is allowed.

    Raises:
        ValueError: It asks for something that is no capability.
    """
    return frozenset(Capability(str(one)) for one in wishes)


def require(capability: Capability, grants: Set[Capability]) -> None:
    """CapabilityDenied unless it was granted."""
    if capability not in grants:
        raise CapabilityDenied(capability, grants)
