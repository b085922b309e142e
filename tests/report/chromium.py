"""Drives a headless Chromium through its DevTools pipe: pages of a given width, keys as a user presses them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# The pipe is its descriptors 3 and 4.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class Tab:
    """One page. requests: every address that it asked for."""

    def __init__(self, commands: int, answers: int) -> None:
        self._out, self._in = os.fdopen(commands, "wb"), os.fdopen(answers, "rb")
        self._session, self._sent, self._buffer = "", 0, b""
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")
        self.ask("Network.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command; returns its result. Raises AssertionError where the browser refuses it."""
        self._sent += 1
        session = {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps({"id": self._sent, "method": method, "params": params, **session}).encode() + b"\0")
        self._out.flush()
        while True:
            message = self._next()
            if message.get("id") == self._sent:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def open(self, page: Path, width: int, height: int, dark: bool = False) -> None:
        """Show a file, loaded whole, `width` CSS pixels wide as on a phone."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.requests.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is worth."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        """Press a key that has a name, such as ArrowRight or Tab."""
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Tab": 9}[key]
        for _ in range(times):
            for kind in ("rawKeyDown", "keyUp"):
                self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._in.fileno(), 1 << 16)
            assert read, "Chromium ended"
            self._buffer += read
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def close(self) -> None:
        self._out.close()
        self._in.close()


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """A tab of a Chromium with an empty profile. Fails the test where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.fail(
            "Chromium is not installed, and this test looks at the page in it (Debian: apt-get install chromium)"
        )
    commands, answers = os.pipe(), os.pipe()
    words = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    started = [sys.executable, "-c", START, str(commands[0]), str(answers[1]), *words]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(started, pass_fds=(commands[0], answers[1]), **quiet)
    os.close(commands[0])
    os.close(answers[1])
    tab = None
    try:
        tab = Tab(commands[1], answers[0])
        yield tab
    finally:
        process.terminate()
        process.wait()
        if tab:
            tab.close()
