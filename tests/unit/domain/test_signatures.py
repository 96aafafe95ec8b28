"""Signatures against the vectors that the senders have published, and each way to be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.signatures import (
    Incoming,
    Preset,
    Scheme,
    challenge_of,
    delivery_of,
    secret_text,
    signature_header,
    signed_message,
)

SVIX = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SVIX_BODY = b'{"test": 2432232314}'
SVIX_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
GITHUB = "It's a Secret to Everybody"
GITHUB_HEADERS = {
    "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
}
SLACK = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_HEADERS = {
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}
NOW = 1_800_000_000


def mac(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).digest()


def stripe(body: bytes, secret: str = "whsec_stripe", sent: int = NOW) -> dict[str, str]:
    good = mac(secret.encode(), f"{sent}.".encode() + body).hex()
    return {"stripe-signature": f"t={sent},v1={'0' * 64},v1={good},v0=abc"}


def slack(body: bytes, secret: str = SLACK, sent: int = NOW) -> dict[str, str]:
    good = mac(secret.encode(), f"v0:{sent}:".encode() + body).hex()
    return {"x-slack-request-timestamp": str(sent), "x-slack-signature": f"v0={good}"}


BY_HEX = {"x-signature-256": "sha256=" + mac(b"key", b"body").hex()}
BY_BASE64 = {"x-signature-256": base64.b64encode(mac(b"key", b"body")).decode()}
EVENT = json.dumps({"id": "evt_1", "type": "charge.paid"}).encode()
MESSAGE = json.dumps({"type": "event_callback", "event_id": "Ev1"}).encode()
DIGEST = hashlib.sha256(b"body").hexdigest()
SLACK_ID = hashlib.sha256(b"v0:1531420618:" + SLACK_BODY).hexdigest()

GOOD = [
    # Published by Standard Webhooks (standard-webhooks/spec), GitHub and Slack.
    ("standard", SVIX_HEADERS, SVIX_BODY, SVIX, 1_614_265_330, "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    ("github", GITHUB_HEADERS, b"Hello, World!", GITHUB, NOW, "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ("slack", SLACK_HEADERS, SLACK_BODY, SLACK, 1_531_420_618, SLACK_ID),
    # By our own reading: the id is in the signed body.
    ("stripe", stripe(EVENT), EVENT, "whsec_stripe", NOW, "evt_1"),
    ("slack", slack(MESSAGE), MESSAGE, SLACK, NOW + 300, "Ev1"),
    # Without an id, what was signed is the id.
    ("hmac", BY_HEX, b"body", "key", NOW, DIGEST),
    ("hmac", BY_BASE64, b"body", "key", NOW, DIGEST),
]


@pytest.mark.parametrize(("preset", "headers", "body", "secret", "now", "delivery"), GOOD)
def test_a_good_delivery_is_known_by_its_id(
    preset: Preset, headers: dict[str, str], body: bytes, secret: str, now: int, delivery: str
) -> None:
    assert delivery_of(Scheme(preset), Incoming(headers, body), [secret], now) == delivery


@pytest.mark.parametrize(("preset", "headers", "body", "secret", "now", "delivery"), GOOD)
def test_nothing_about_it_may_be_different(
    preset: Preset, headers: dict[str, str], body: bytes, secret: str, now: int, delivery: str
) -> None:
    scheme = Scheme(preset)
    assert delivery_of(scheme, Incoming(headers, body + b" "), [secret], now) is None
    assert delivery_of(scheme, Incoming(headers, body), ["another"], now) is None
    assert delivery_of(scheme, Incoming(headers, body), [], now) is None
    assert delivery_of(scheme, Incoming({}, body), [secret], now) is None


@pytest.mark.parametrize("preset", ["standard", "stripe", "slack"])
@pytest.mark.parametrize("away", [-301, 301])
def test_a_signed_time_may_not_be_off_by_more_than_the_tolerance(preset: Preset, away: int) -> None:
    found = {one[0]: one for one in GOOD}[preset]
    _, headers, body, secret, _, delivery = found
    sent = 1_614_265_330 if preset == "standard" else NOW
    incoming = Incoming(headers, body)
    assert delivery_of(Scheme(preset), incoming, [secret], sent + away) is None
    assert delivery_of(Scheme(preset, tolerance=302), incoming, [secret], sent + away) == delivery


def test_while_secrets_are_rotated_both_count() -> None:
    incoming = Incoming(SVIX_HEADERS, SVIX_BODY)
    assert delivery_of(Scheme("standard"), incoming, [secret_text(b"new"), SVIX], 1_614_265_330)


def test_what_we_sign_is_what_the_vector_says() -> None:
    message = signed_message("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, SVIX_BODY)
    assert signature_header([SVIX], message) == SVIX_HEADERS["webhook-signature"]
    assert signature_header([SVIX, SVIX], message).split() == [SVIX_HEADERS["webhook-signature"]] * 2


def test_a_strange_id_is_kept_by_its_digest() -> None:
    scheme = Scheme("hmac", signature_header="Shop-Signature", id_header="Shop-Id")
    headers = {"shop-signature": mac(b"key", b"body").hex(), "shop-id": "x" * 201}
    assert delivery_of(scheme, Incoming(headers, b"body"), ["key"], NOW) == hashlib.sha256(b"x" * 201).hexdigest()


@pytest.mark.parametrize(
    ("preset", "body", "challenge"),
    [
        ("slack", b'{"type": "url_verification", "challenge": "3eZbrw"}', "3eZbrw"),
        ("slack", MESSAGE, None),
        ("slack", b"payload=1", None),
        # Others may write what they like.
        ("github", b'{"type": "url_verification", "challenge": "3eZbrw"}', None),
    ],
)
def test_only_slack_asks_for_an_echo(preset: Preset, body: bytes, challenge: str | None) -> None:
    assert challenge_of(Scheme(preset), Incoming({}, body)) == challenge


@given(
    preset=st.sampled_from(["standard", "github", "stripe", "slack", "hmac"]),
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("webhook-signature", "webhook-id", "webhook-timestamp", "x-hub-signature-256"),
                *("stripe-signature", "x-slack-signature", "x-slack-request-timestamp", "x-signature-256"),
            ]
        ),
        st.text(max_size=40),
    ),
    body=st.binary(max_size=40),
)
def test_no_rubbish_is_good_or_breaks_anything(preset: Preset, headers: dict[str, str], body: bytes) -> None:
    assert delivery_of(Scheme(preset), Incoming(headers, body), ["secret"], NOW) is None
