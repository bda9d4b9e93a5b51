"""Who may ask the server: nobody but the reader. Pure ASGI, before every route.

A page elsewhere cannot read from 127.0.0.1 by a name of its own (the Host is checked), nor write (the Origin is), and
an address that others reach needs a token. What is answered loads nothing from elsewhere and runs no script in a text.
"""

import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "reeltune_explorer"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
LONGEST_ADDRESS = 8000


class Guard:
    """`hosts`: names by which the server may be called; empty: any, and then there must be a token."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] = LOOPBACK, token: str = "") -> None:
        if not hosts and not token:
            raise ValueError("a server that accepts any host name needs a token")
        self.app, self.hosts, self.token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._refuses(scope, headers):
            code, text = problem
            await PlainTextResponse(text, code, HEADERS)(scope, receive, send)
        elif self.token and self._asked_with_token(scope):
            # From here on the cookie speaks; the token leaves the address, and with it the history.
            response = RedirectResponse(_without_token(scope), 303, HEADERS)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refuses(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self.hosts and host not in self.hosts:
            return 421, "This server does not accept that host name."
        if len(scope.get("query_string", b"")) + len(scope["path"]) > LONGEST_ADDRESS:
            return 414, "The address is too long."
        if (origin := headers.get("origin")) and urlsplit(origin).netloc != headers.get("host"):
            return 403, "Requests from other pages are refused."
        if len(headers.get("range", "")) > 60 or "," in headers.get("range", ""):
            return 416, "Only one range per request."
        if self.token and not self._asked_with_token(scope):
            given = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return 401, "Open the complete address that `reeltune explore` printed; it contains a token."
        return None

    def _asked_with_token(self, scope: Scope) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self.token.encode()) if self.token else False


def _without_token(scope: Scope) -> str:
    parts = [part for part in scope["query_string"].decode("latin-1").split("&") if not part.startswith("token=")]
    path = "/" + str(scope["path"]).lstrip("/")
    return path + ("?" + "&".join(parts) if parts else "")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sent
