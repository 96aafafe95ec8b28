"""`/webhooks`: addresses that are told of events."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, url_for

from app.http.api import Answer, api
from app.http.identity import identity
from app.http.services import services
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out
from app.schemas.webhooks import (
    DeliveryOut,
    WebhookCreate,
    WebhookOut,
    WebhookPatch,
    WebhookRotate,
    WebhookSecretOut,
    delivery_out,
    webhook_out,
    webhook_secret_out,
)

bp = Blueprint("webhooks", __name__, url_prefix="/webhooks")
TAGS = ("webhooks",)
SHOWN_ONCE = {"Cache-Control": "no-store"}


@bp.get("")
@api(query=PageQuery, returns=PageOut[WebhookOut], tags=TAGS, scope="webhooks:read")
def list_webhooks(query: PageQuery) -> PageOut[WebhookOut]:
    """List webhooks, newest first."""
    return page_out(services().webhooks.page(limit=query.limit, offset=query.offset, caller=identity()), webhook_out)


@bp.post("")
@api(body=WebhookCreate, returns=WebhookSecretOut, status=201, tags=TAGS, scope="webhooks:manage")
def create_webhook(body: WebhookCreate) -> Answer:
    """Create a webhook: an address that is told of each event that fits, from now on.

    `secret` is in this answer and nowhere else: receivers verify signatures with it. Takes `events:read`, too, and
    for what the platform tells of itself also `tasks:read:all`.
    """
    webhook, secret = services().webhooks.create(
        body.url, topics=body.topics, description=body.description, caller=identity()
    )
    headers = {"Location": url_for("webhooks.get_webhook", webhook_id=webhook.id), **SHOWN_ONCE}
    return Answer(webhook_secret_out(webhook, secret), headers=headers)


@bp.get("/<webhook_id>")
@api(returns=WebhookOut, tags=TAGS, errors=(404,), scope="webhooks:read")
def get_webhook(webhook_id: str) -> WebhookOut:
    """Get a webhook."""
    return webhook_out(services().webhooks.get(webhook_id, caller=identity()))


@bp.patch("/<webhook_id>")
@api(body=WebhookPatch, returns=WebhookOut, tags=TAGS, errors=(404,), scope="webhooks:manage")
def patch_webhook(webhook_id: str, body: WebhookPatch) -> WebhookOut:
    """Change a webhook.

    Switched off, what is pending is given up; switched on again, it begins with the events that come from then on.
    """
    changed = services().webhooks.change(webhook_id, body.model_dump(exclude_unset=True), caller=identity())
    return webhook_out(changed)


@bp.delete("/<webhook_id>")
@api(status=204, tags=TAGS, errors=(404,), scope="webhooks:manage")
def delete_webhook(webhook_id: str) -> None:
    """Delete a webhook with its deliveries."""
    services().webhooks.delete(webhook_id, caller=identity())


@bp.post("/<webhook_id>/rotate")
@api(body=WebhookRotate, returns=WebhookSecretOut, tags=TAGS, errors=(404,), scope="webhooks:manage")
def rotate_webhook(webhook_id: str, body: WebhookRotate) -> Answer:
    """Give a webhook another secret.

    It is shown this once. For `overlap_seconds` messages carry the signature of the one before as well.
    """
    overlap = timedelta(seconds=body.overlap_seconds)
    webhook, secret = services().webhooks.rotate(webhook_id, overlap=overlap, caller=identity())
    return Answer(webhook_secret_out(webhook, secret), headers=SHOWN_ONCE)


@bp.post("/<webhook_id>/test")
@api(returns=DeliveryOut, status=202, tags=TAGS, errors=(404, 409), scope="webhooks:manage")
def test_webhook(webhook_id: str) -> DeliveryOut:
    """Send a test: an event `webhook.test` that is not stored."""
    return delivery_out((services().webhooks.test(webhook_id, caller=identity()), ()))


@bp.get("/<webhook_id>/deliveries")
@api(query=PageQuery, returns=PageOut[DeliveryOut], tags=TAGS, errors=(404,), scope="webhooks:read")
def list_webhook_deliveries(webhook_id: str, query: PageQuery) -> PageOut[DeliveryOut]:
    """List a webhook's deliveries with their attempts, newest first."""
    page = services().webhooks.deliveries(webhook_id, limit=query.limit, offset=query.offset, caller=identity())
    return page_out(page, delivery_out)


@bp.post("/<webhook_id>/deliveries/<delivery_id>/replay")
@api(returns=DeliveryOut, status=202, tags=TAGS, errors=(404, 409), scope="webhooks:manage")
def replay_webhook_delivery(webhook_id: str, delivery_id: str) -> DeliveryOut:
    """Send a delivery once more, under the same id."""
    return delivery_out(services().webhooks.replay(webhook_id, delivery_id, caller=identity()))
