"""A real browser, driven through the Chrome DevTools Protocol over two pipes: no port, no driver, no download.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, _NAMES)), None) if os.name == "posix" else None
"""The browser, or None: Windows passes no pipes on."""
BOUND = 30.0
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # a container has no user namespaces; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)
# The browser reads commands from descriptor 3 and writes to 4; each message ends with NUL.
_LAUNCH = "import os, sys; a, b = map(int, sys.argv[1:3]); os.dup2(a, 13); os.dup2(b, 14); os.dup2(13, 3); \
os.dup2(14, 4); os.execv(sys.argv[3], sys.argv[3:])"


class BrowserError(Exception):
    """The page or the browser did not do what the test asked."""


class Page:
    """One tab. What its console and its uncaught errors say is in `errors`."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """One command and its result."""
        return self._browser.send(method, parameters, self._session)

    def size(self, width: int, height: int = 900) -> None:
        """The size of the window, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def prefers(self, **features: str) -> None:
        """Media features, such as prefers_color_scheme="dark"."""
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=values)

    def open(self, url: str) -> None:
        """Goes there."""
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        reply = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in reply:
            raise BrowserError(str(reply["exceptionDetails"].get("exception", reply["exceptionDetails"])))
        return reply["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Waits until a JavaScript expression is true, and returns its value."""
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.05)
        text = self.evaluate("document.body.innerText")
        raise BrowserError(f"not in {BOUND:g} s: {expression}\n{text}")

    def click(self, selector: str) -> None:
        """A real click in the middle of the element."""
        where = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"!!{where}")
        box = self.evaluate(
            f"(e => (e.scrollIntoView({{block: 'center'}}), e = e.getBoundingClientRect(), "
            f"[e.x + e.width / 2, e.y + e.height / 2]))({where})"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def key(self, name: str, code: int, text: str = "") -> None:
        """A key goes down and up."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)

    def close(self) -> None:
        """Closes the tab."""
        self.send("Page.close")

    def screenshot(self, file: Path) -> None:
        """The whole page, as PNG."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        file.write_bytes(base64.b64decode(data))


class Browser:
    """A running Chromium with a profile of its own."""

    def __init__(self, profile: str) -> None:
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()
        arguments = [sys.executable, "-c", _LAUNCH, str(commands), str(events)]
        self._process = subprocess.Popen(
            [*arguments, str(PROGRAM), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, events),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(events)
        self._count = 0
        self._replies: Queue[dict[str, Any]] = Queue()
        self._pages: dict[str, Page] = {}
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()

    def page(self) -> Page:
        """A new tab."""
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self._pages[session] = Page(self, session)
        return self._pages[session]

    def send(self, method: str, parameters: dict[str, Any], session: str | None = None) -> Any:
        """One command and its result. Raises BrowserError."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            try:
                reply = self._replies.get(timeout=BOUND)
            except Empty:
                raise BrowserError(f"no response to {method}") from None
            if reply["id"] == self._count:
                if "error" in reply:
                    raise BrowserError(f"{method}: {reply['error']['message']}")
                return reply["result"]

    def stop(self) -> None:
        """Ends the browser: by its own command first."""
        with contextlib.suppress(BrowserError, OSError):
            self.send("Browser.close", {})
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        self._reader.join(10)
        os.close(self._events)

    def _read(self) -> None:
        waiting = b""
        while data := os.read(self._events, 1_000_000):
            *whole, waiting = (waiting + data).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self._replies.put(message)
                else:
                    self._event(message)

    def _event(self, message: dict[str, Any]) -> None:
        page = self._pages.get(message.get("sessionId", ""))
        what, method = message["params"], message["method"]
        if page is None:
            return
        if method == "Runtime.exceptionThrown":
            page.errors.append(str(what["exceptionDetails"]))
        elif method == "Log.entryAdded" and what["entry"]["level"] == "error":
            page.errors.append(f"{what['entry']['text']} {what['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            page.errors.append(str(what["args"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser while the block runs."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        running = Browser(profile)
        try:
            yield running
        finally:
            running.stop()
