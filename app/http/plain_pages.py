"""Pages of the platform itself: plain HTML, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib

from flask import Response, request
from markupsafe import Markup

from app.http.locale import language

_STYLE = Markup(
    ":root{color-scheme:light dark;--line:light-dark(#d5d9e0,#3a4150);--accent:light-dark(#2957c8,#8fb0ff)}"
    "*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1rem;"
    "background:light-dark(#f4f5f8,#12151b);color:light-dark(#1a1d24,#e8eaf0)}"
    "main{max-width:36rem;margin:4vh auto;padding:1.5rem 2rem 2rem;border:1px solid var(--line);border-radius:12px;"
    "background:light-dark(#fff,#1a1e26)}h1{font-size:1.4rem;line-height:1.25;margin:.25rem 0 1rem}"
    ".brand{font-weight:600;color:var(--accent);margin:0}"
    "pre{background:#8881;padding:.75rem;border-radius:6px;overflow:auto;white-space:pre-wrap}"
    "label{display:block;margin:.75rem 0}input,select,textarea{display:block;width:100%;font:inherit;padding:.5rem;"
    "margin-top:.25rem;border:1px solid var(--line);border-radius:6px;background:transparent;color:inherit}"
    "button{font:inherit;padding:.5rem 1.4rem;margin:1rem .5rem 0 0;border:1px solid var(--line);border-radius:6px;"
    "background:transparent;color:inherit;cursor:pointer}"
    "button:first-of-type{background:var(--accent);border-color:var(--accent);color:light-dark(#fff,#10131a)}"
    ".check{display:flex;gap:.6rem;align-items:baseline;margin:.4rem 0}.check input{width:auto;flex:none;margin:0}"
    "code{overflow-wrap:anywhere;font-size:.9em}"
    ".wrong{color:light-dark(#a40000,#ff9c94)}"
)
_HASH = base64.b64encode(hashlib.sha256(str(_STYLE).encode()).digest()).decode()
_PAGE = Markup(
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    '<style>{style}</style></head><body><main><p class="brand">Ordinaut</p><h1>{title}</h1>{body}</main></body></html>'
)


def wants_page() -> bool:
    """Whether the client is a browser that shows pages, and no program that takes what it gets."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def plain_page(title: str, body: Markup, status: int, *, leads_on: bool = False) -> Response:
    """A page of that title.

    Args:
        leads_on: Whether its form leads the browser on to other sites.
    """
    text = _PAGE.format(language=language(), title=title, style=_STYLE, body=body)
    # With a policy of no referrer at all browsers would call the form's origin `null`, which is nobody's.
    headers = {
        "Content-Security-Policy": policy(leads_on=leads_on),
        "Referrer-Policy": "strict-origin",
        "Vary": "Accept",
    }
    return Response(text, status, headers, content_type="text/html; charset=utf-8")


def policy(*, leads_on: bool = False) -> str:
    """The Content Security Policy of such a page.

    Browsers hold every redirect that follows on a form to `form-action`, and nobody knows how many there are.
    """
    actions = "" if leads_on else "form-action 'self'; "
    return f"default-src 'none'; style-src 'sha256-{_HASH}'; {actions}base-uri 'none'; frame-ancestors 'none'"
