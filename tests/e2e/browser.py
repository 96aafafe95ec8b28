"""A headless Chromium, driven through the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import simple_websocket

from tests.servers import wait_for

ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    # Nothing of the browser's own goes out: what is requested is the page's doing.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    *("--remote-allow-origins=*", "--window-size=1280,1600"),
)


class Page:
    """One tab. `requests` are the URLs it asked for, `complaints` what its console and its policy had to say."""

    def __init__(self, url: str) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._socket: Any = simple_websocket.Client(url)
        self._numbers = count(1)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := self._receive(30)) is not None:
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
        raise AssertionError(f"the browser did not answer {method}")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 30) -> None:
        """Return when the expression is true."""
        wait_for(lambda: self.evaluate(expression), seconds=seconds, what=f"{expression}, {self.complaints}")

    def settle(self, seconds: float = 0.5) -> None:
        """Listen until the page has been silent for so long."""
        while self._receive(seconds) is not None:
            pass

    def screenshot(self, file: Path) -> None:
        """Save what can be seen, as PNG."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Let go of the browser."""
        self._socket.close()

    def _receive(self, seconds: float) -> Any:
        """The next message, noted if it is one of those we collect; None when none came in time."""
        deadline = time.monotonic() + seconds
        text = self._socket.receive(max(0.0, deadline - time.monotonic()))
        if text is None:
            return None
        message = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue":
                self.complaints.append(str(params["issue"]["details"]))
        return message


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """An empty page in a browser of its own, which keeps its profile in `folder`."""
    path = shutil.which("chromium")
    assert path, "there is no chromium on this machine"
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [path, *ARGUMENTS, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=log, stderr=log
        )
    try:
        told = folder / "profile" / "DevToolsActivePort"
        wait_for(lambda: told.exists() and len(told.read_text().split()) == 2, seconds=60, what="the browser")
        port = told.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            tabs = json.load(answer)
        page = Page(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
        yield page
        page.close()
    finally:
        process.terminate()
        process.wait(30)
