"""Links to approvals: making them, and what happens when somebody follows one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from app.domain.access import limited
from app.domain.approval_links import ApprovalLink, Linked, LinkUnits, LinkWish, by_link, check_good
from app.domain.approvals import Approval, check_decider, check_open
from app.domain.clock import Clock, rfc3339
from app.domain.errors import Forbidden, Gone, InvalidInput, NotFound, Unavailable
from app.domain.ids import new_id
from app.domain.scopes import DECIDE
from app.domain.texts import t
from app.services.approvals import ApprovalService
from app.services.audit_trail import Difference, entry
from app.services.lifecycle import Herald
from app.services.vault import derived
from ordinaut import Caller

LONGEST = 400
"""Characters of a token that are read."""


class ApprovalLinkService:
    """The use cases of links.

    Args:
        approvals: What decides.
        keys: Those of the installation, the newest first; it signs, all check.
        caller: An agent as it is today.
    """

    def __init__(
        self,
        *,
        units: LinkUnits,
        clock: Clock,
        herald: Herald,
        approvals: ApprovalService,
        keys: Sequence[str],
        caller: Callable[[str], Caller],
    ) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._approvals = approvals
        self._caller = caller
        self._serializer = _serializer(keys) if keys else None

    def make(self, approval_id: str, wish: LinkWish, *, caller: Caller) -> tuple[str, ApprovalLink]:
        """A link by which the caller decides later on, and the token that goes into its address.

        Raises:
            NotFound, Forbidden, Gone, Conflict: as deciding does.
            InvalidInput: there is no such option.
            Unavailable: this installation has no key.
        """
        if self._serializer is None:
            raise Unavailable(t("Links cannot be signed: this installation has no ORDINAUT_SECRET_KEYS"))
        now = self._clock.now()
        with self._units() as unit:
            approval = unit.approvals.get(approval_id)
            check_decider(approval, caller)
            check_open(approval, now)
            if wish.option not in (None, *approval.options):
                raise InvalidInput.at("/option", t("There is no such option"))
            until = now + timedelta(seconds=wish.seconds)
            link = ApprovalLink(
                id=new_id(),
                approval_id=approval.id,
                agent_id=caller.agent_id,
                scopes=tuple(sorted(caller.scopes)) if caller.narrowed else None,
                option=wish.option,
                created_at=now,
                expires_at=min(until, approval.expires_at or until),
            )
            unit.approval_links.add(link)
            told = {"option": link.option, "expires_at": rfc3339(link.expires_at)}
            unit.audit.add(entry(now, caller, "approval.link_made", approval.id, Difference(after=told)))
        return str(self._serializer.dumps(link.id)), link

    def look(self, token: str) -> Linked:
        """What a link is about; looking decides nothing, however often it is done.

        Raises:
            NotFound: it is not one of ours.
            Gone: it is used or too old.
            Forbidden: whoever made it may not decide any more.
        """
        with self._units(read_only=True) as unit:
            link = unit.approval_links.get(self._link_id(token))
            check_good(link, self._clock.now())
            approval = unit.approvals.get(link.approval_id)
        self._decider(link)
        return Linked(link, approval)

    def decide(self, token: str, option: str | None, form: Any, comment: str | None) -> Approval:
        """Decide as whoever made the link; it is used up. Raises as `look` and `ApprovalService.decide` do."""
        link = self.look(token).link
        decision, caller = by_link(link, option, form, comment), self._decider(link)
        with self._units() as unit:
            telling = self._herald.opened(unit, "approval.decided")
            now = self._clock.now()
            self._approvals.decide_within(unit, unit.approvals.get(link.approval_id), decision, caller, telling)
            if not unit.approval_links.use(link.id, now):
                raise Gone(t("This link has been used"), approval_id=link.approval_id)
            unit.audit.add(entry(now, caller, "approval.link_used", link.approval_id))
            return unit.approvals.get(link.approval_id)

    def _decider(self, link: ApprovalLink) -> Caller:
        """Whoever made it, with the scopes they hold now; asked outside of units of work, since it opens one."""
        caller = limited(self._caller(link.agent_id), link.scopes)
        if not caller.may(DECIDE):
            raise Forbidden(t("Whoever made this link may not decide any more"))
        return caller

    def _link_id(self, token: str) -> str:
        """The id that was signed; NotFound for anything else."""
        if self._serializer is None or len(token) > LONGEST:
            raise NotFound(t("There is no such link"))
        try:
            return str(self._serializer.loads(token))
        except BadData:
            raise NotFound(t("There is no such link")) from None


def _serializer(keys: Sequence[str]) -> URLSafeSerializer:
    # The library signs with the last one.
    made = [derived(key, b"approval links") for key in reversed(keys)]
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(made, salt=b"ordinaut approval link", signer_kwargs=options)
