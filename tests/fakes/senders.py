"""Services that sign what they send, written after their own documentation and not after our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any


def standard(secret: str, body: Any, *, message_id: str = "msg_1", sent: float | None = None) -> dict[str, Any]:
    """What a sender of Standard Webhooks posts, as options of a test client."""
    data, moment = json.dumps(body).encode(), str(int(time.time() if sent is None else sent))
    key = base64.b64decode(secret.split("_", 1)[1])
    made = hmac.digest(key, b".".join([message_id.encode(), moment.encode(), data]), "sha256")
    signature = "v1," + base64.b64encode(made).decode()
    headers = {"webhook-id": message_id, "webhook-timestamp": moment, "webhook-signature": signature}
    return {"data": data, "headers": headers, "content_type": "application/json"}


def github(secret: str, body: Any, *, delivery: str) -> dict[str, Any]:
    """What GitHub posts."""
    data = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}
    return {"data": data, "headers": headers, "content_type": "application/json"}


def stripe(secret: str, body: Any) -> dict[str, Any]:
    """What Stripe posts."""
    data, moment = json.dumps(body).encode(), int(time.time())
    made = hmac.new(secret.encode(), b"%d." % moment + data, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={moment},v1={made},v0={'0' * 64}"}
    return {"data": data, "headers": headers, "content_type": "application/json"}


def slack(secret: str, body: Any) -> dict[str, Any]:
    """What Slack posts."""
    data, moment = json.dumps(body).encode(), int(time.time())
    made = hmac.new(secret.encode(), b"v0:%d:" % moment + data, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": str(moment), "X-Slack-Signature": f"v0={made}"}
    return {"data": data, "headers": headers, "content_type": "application/json"}


def plain(secret: str, body: Any) -> dict[str, Any]:
    """What a service posts that signs the body and nothing else."""
    data = json.dumps(body).encode()
    headers = {"X-Signature-256": hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()}
    return {"data": data, "headers": headers, "content_type": "application/json"}
