"""`/hooks`: addresses where other services tell of something."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, current_app, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge

from app.domain.signatures import SIGNATURE_HEADER, Incoming
from app.http.api import Answer, RawBody, api
from app.http.errors import BODY_LIMIT
from app.http.identity import identity
from app.http.services import services
from app.schemas.fields import PageQuery
from app.schemas.hooks import (
    HookCreate,
    HookOut,
    HookPatch,
    HookRotate,
    HookSecretOut,
    ReceivedOut,
    hook_out,
    hook_secret_out,
    new_hook,
)
from app.schemas.paging import PageOut, page_out

bp = Blueprint("hooks", __name__, url_prefix="/hooks")
TAGS = ("webhooks",)
SHOWN_ONCE = {"Cache-Control": "no-store"}
DELIVERY = RawBody(
    description="Whatever the sender has to tell, in any content type, byte for byte as it was signed: JSON and forms "
    "become values of the event, everything else its text.",
    headers={
        "webhook-id": "Preset `standard`: the id of the delivery",
        "webhook-timestamp": "Preset `standard`: when it was signed, in seconds since 1970",
        "webhook-signature": "Preset `standard`: `v1,` and base64, once or more, separated by blanks",
        "X-Hub-Signature-256": "Preset `github`: `sha256=` and hex",
        "X-GitHub-Delivery": "Preset `github`: the id of the delivery",
        "Stripe-Signature": "Preset `stripe`: `t=`, seconds since 1970, and `v1=`, hex, separated by commas",
        "X-Slack-Signature": "Preset `slack`: `v0=` and hex",
        "X-Slack-Request-Timestamp": "Preset `slack`: when it was signed, in seconds since 1970",
        SIGNATURE_HEADER: "Preset `hmac`, unless its hook names another: hex or base64, `sha256=` before it or not",
    },
    example={"order": 41, "total": 12.5},
)


@bp.get("")
@api(query=PageQuery, returns=PageOut[HookOut], tags=TAGS, scope="webhooks:read")
def list_hooks(query: PageQuery) -> PageOut[HookOut]:
    """List hooks by slug."""
    return page_out(services().hooks.page(limit=query.limit, offset=query.offset, caller=identity()), hook_out)


@bp.post("")
@api(
    body=HookCreate,
    returns=HookSecretOut,
    status=201,
    tags=TAGS,
    errors=(409,),
    scope="webhooks:manage",
    repeats="secret",
)
def create_hook(body: HookCreate) -> Answer:
    """Create a hook: an address whose deliveries become events.

    `secret` is in this answer and nowhere else: give it to the sender. Takes `events:publish`, too, and with
    `secret_name` also `secrets:use`.
    """
    hook, secret = services().hooks.create(new_hook(body), caller=identity())
    headers = {"Location": url_for("hooks.get_hook", slug=hook.slug), **SHOWN_ONCE}
    return Answer(hook_secret_out(hook, secret), headers=headers)


@bp.post("/<slug>")
@api(raw=DELIVERY, returns=ReceivedOut, status=202, also=(200,), tags=TAGS, errors=(401, 413), scope="public")
def receive_delivery(slug: str) -> Answer:
    """Deliver: the body, of any type, signed as the hook's preset says, becomes an event.

    A delivery that had come before is answered with 200 and has no effect. A signature that is not good, one that is
    too old, and a hook that does not exist are all answered alike. Slack's first question is answered with its
    challenge.
    """
    body = request.get_data(cache=False)
    if len(body) > current_app.config[BODY_LIMIT]:
        raise RequestEntityTooLarge
    incoming = Incoming({name.lower(): value for name, value in request.headers.items()}, body)
    done = services().hooks.receive(slug, incoming)
    if done.challenge is not None:
        return Answer({"challenge": done.challenge}, status=200)
    answer = ReceivedOut(success=True, event_id=done.event_id, repeated=done.repeated)
    return Answer(answer, status=200 if done.repeated else 202)


@bp.get("/<slug>")
@api(returns=HookOut, tags=TAGS, errors=(404,), scope="webhooks:read")
def get_hook(slug: str) -> HookOut:
    """Get a hook."""
    return hook_out(services().hooks.get(slug, caller=identity()))


@bp.patch("/<slug>")
@api(body=HookPatch, returns=HookOut, tags=TAGS, errors=(404,), scope="webhooks:manage")
def patch_hook(slug: str, body: HookPatch) -> HookOut:
    """Change a hook."""
    return hook_out(services().hooks.change(slug, body.model_dump(exclude_unset=True), caller=identity()))


@bp.delete("/<slug>")
@api(status=204, tags=TAGS, errors=(404,), scope="webhooks:manage")
def delete_hook(slug: str) -> None:
    """Delete a hook; deliveries to it are refused from now on."""
    services().hooks.delete(slug, caller=identity())


@bp.post("/<slug>/rotate")
@api(body=HookRotate, returns=HookSecretOut, tags=TAGS, errors=(404,), scope="webhooks:manage", repeats="secret")
def rotate_hook(slug: str, body: HookRotate) -> Answer:
    """Give a hook another secret.

    It is shown this once. The one before counts for `overlap_seconds` longer; never more than two do.
    """
    overlap = timedelta(seconds=body.overlap_seconds)
    hook, secret = services().hooks.rotate(slug, overlap=overlap, secret_name=body.secret_name, caller=identity())
    return Answer(hook_secret_out(hook, secret), headers=SHOWN_ONCE)
