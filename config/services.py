"""The settings of the services outside that tools speak to: a mail server and a language model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from config.limits import LimitSettings
from config.parsers import Parser, Refused, is_loopback
from config.setting import Setting

_ADDRESS = re.compile(r"[\x21-\x7e]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_SENDER = re.compile(r"(?:[^<>@\x00-\x1f\x7f]*<(?P<inside>[^<>]+)>|(?P<plain>[^<>\s]+))")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def _smtp_url(text: str) -> str:
    split = urlsplit(text)
    if split.scheme not in ("smtp", "smtps") or not split.hostname or split.path not in ("", "/"):
        raise ValueError
    _ = split.port
    options = dict(parse_qsl(split.query, strict_parsing=bool(split.query)))
    if not options.keys() <= {"starttls"} or options.get("starttls", "0") not in ("0", "1"):
        raise Refused("of options it knows starttls=1")
    if split.scheme == "smtps" and options:
        raise Refused("smtps:// is encrypted from the start")
    open_line = split.scheme == "smtp" and options.get("starttls") != "1"
    if split.password and open_line and not is_loopback(split.hostname):
        raise Refused("a password needs smtps:// or ?starttls=1")
    return text


def _sender(text: str) -> str:
    match = _SENDER.fullmatch(text)
    if not match or not _ADDRESS.fullmatch(match["inside"] or match["plain"]):
        raise ValueError
    return text


def _base_url(text: str) -> str:
    split = urlsplit(text)
    _ = split.port
    if split.scheme not in ("http", "https") or not split.hostname or split.query or split.fragment:
        raise ValueError
    if "@" in split.netloc:
        raise Refused("the key goes into ORDINAUT_LLM_API_KEY")
    return text.rstrip("/")


def _api_key(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        raise ValueError
    return text


SMTP_URL = Parser(
    "SMTP URL", _smtp_url, "smtps://user:password@host:465, smtp://user:password@host:587?starttls=1 or smtp://host:25"
)
SENDER = Parser(
    "mail address", _sender, "an address such as `ordinaut@example.com` or `Ordinaut <ordinaut@example.com>`"
)
BASE_URL = Parser("web URL", _base_url, "an http or https URL such as `https://api.openai.com/v1`")
API_KEY = Parser("key", _api_key, "a key of visible ASCII characters", secret=True)
MODEL = Parser("name of a model", str, "the name of a model")

SERVICES = (
    Setting(
        "ORDINAUT_SMTP_URL",
        SMTP_URL,
        None,
        "The mail server that `email.send` hands messages to: `smtps://` is encrypted from the start, `?starttls=1` "
        "right after the greeting. Characters such as `@` and `/` in user and password are written as `%40` and `%2F`. "
        "Unset, `email.send` fails with `not_configured`.",
        secret=True,
    ),
    Setting("ORDINAUT_SMTP_FROM", SENDER, None, "The sender of every message that `email.send` sends."),
    Setting(
        "ORDINAUT_LLM_BASE_URL",
        BASE_URL,
        None,
        "Where `llm.complete` finds a service that speaks the OpenAI protocol: the URL before `/chat/completions`. "
        "It may be on a private address. Unset, `llm.complete` fails with `not_configured`.",
    ),
    Setting("ORDINAUT_LLM_API_KEY", API_KEY, None, "The key of that service, if it takes one.", secret=True),
    Setting("ORDINAUT_LLM_MODEL", MODEL, None, "The model of steps that name none."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings(LimitSettings):
    """What the table above gives."""

    smtp_url: str | None
    smtp_from: str | None
    llm_base_url: str | None
    llm_api_key: str | None
    llm_model: str | None
