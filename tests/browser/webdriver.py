"""A browser driven through chromedriver with plain W3C WebDriver calls (https://www.w3.org/TR/webdriver2/).

Finding waits: an element that is not there yet is looked for until FIND_S have passed, so tests never sleep.
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

FIND_S = 15
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_KEYS = {
    "Enter": "\ue007",
    "Tab": "\ue004",
    "Escape": "\ue00c",
    "Control": "\ue009",
    "Shift": "\ue008",
    "Alt": "\ue00a",
    "End": "\ue010",
    "Home": "\ue011",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
    "Delete": "\ue017",
}
_ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,900"
)
_NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
"""As in a hospital network: nothing can be had from elsewhere."""


def missing() -> str | None:
    """Why no browser can be driven here, or None when one can."""
    absent = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)} (Debian: chromium, chromium-driver)" if absent else None


class WebDriverError(Exception):
    """What the driver refused, in its own words."""


class Sent(NamedTuple):
    """One request that the page sent, its headers by their names in small letters."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


class Element:
    """One element of the page."""

    def __init__(self, browser: "Browser", identity: str) -> None:
        self._browser, self.identity = browser, identity

    def click(self) -> None:
        self._browser.call("POST", f"/element/{self.identity}/click", {})

    def type(self, text: str) -> None:
        self._browser.call("POST", f"/element/{self.identity}/value", {"text": text})

    @property
    def text(self) -> str:
        return cast("str", self._browser.call("GET", f"/element/{self.identity}/text"))


class Browser:
    """One session."""

    def __init__(self, driver: str, capabilities: dict[str, Any]) -> None:
        self._base = f"{driver}/session"
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._base += f"/{session['sessionId']}"
        self.call("POST", "/timeouts", {"implicit": FIND_S * 1000, "script": FIND_S * 1000})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One WebDriver command. Raises WebDriverError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise WebDriverError(json.load(error)["value"]["message"]) from None

    def open(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})

    def find(self, css: str) -> Element:
        """The first element that fits, waited for."""
        return Element(self, self.call("POST", "/element", {"using": "css selector", "value": css})[_ELEMENT])

    def find_text(self, css: str, text: str) -> Element:
        """The first element that fits and whose text, with white space made single, contains `text`; waited for."""
        script = """
            const [css, text, done] = arguments;
            const look = () => [...document.querySelectorAll(css)]
              .find((node) => node.textContent.replace(/\\s+/g, " ").includes(text));
            const found = look();
            if (found) return done(found);
            const watch = new MutationObserver(() => {
              const late = look();
              if (late) { watch.disconnect(); done(late); }
            });
            watch.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });"""
        try:
            value = self.call("POST", "/execute/async", {"script": script, "args": [css, text]})
        except WebDriverError as problem:
            there = self.run("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", css)
            raise WebDriverError(f"{problem}: {text!r} is not in {css}, where there is {there}"[:2000]) from None
        return Element(self, value[_ELEMENT])

    def run(self, script: str, *args: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def press(self, *keys: str) -> None:
        """Keys together, as a person holds them: press("Control", "Enter")."""
        codes = [_KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": code} for code in codes]
        actions += [{"type": "keyUp", "value": code} for code in reversed(codes)]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def keys(self, text: str) -> None:
        """Text, key by key, into what has the focus."""
        actions = [{"type": kind, "value": one} for one in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def devtools(self, command: str, **params: Any) -> Any:
        """One command of the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/)."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def screen(self, width: int, height: int, *, phone: bool = False) -> None:
        """The screen of a device in CSS pixels: narrower than a window may be, and as a phone lays a page out."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1}
        self.devtools("Emulation.setDeviceMetricsOverride", mobile=phone, **size)

    def media(self, **features: str) -> None:
        """Emulate media features: media(prefers_color_scheme="dark")."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", features=wanted)

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("GET", "/screenshot"))

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.call("POST", "/print", {"page": {"width": 21.0, "height": 29.7}}))

    def console(self) -> list[str]:
        """What the browser complained about since last asked: refused loads, policy violations, uncaught errors."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def sent(self) -> list[Sent]:
        """What the page has asked for since last asked, of whatever host."""
        entries = self.call("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        requests = [event["params"]["request"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [
            Sent(
                one["method"],
                one["url"],
                {name.lower(): value for name, value in one["headers"].items()},
                one.get("postData", ""),
            )
            for one in requests
            if urlsplit(one["url"]).scheme not in ("data", "blob", "chrome")  # these ask nobody
        ]

    def close(self) -> None:
        self.call("DELETE", "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with a fresh profile that reaches this machine alone; it ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [cast("str", shutil.which("chromedriver")), "--port=0"]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert driver.stdout is not None
            port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
            arguments = [*_ARGUMENTS.split(), _NO_OTHER_HOST, f"--user-data-dir={profile}"]
            options = {"args": arguments, "binary": shutil.which("chromium")}
            logs = {"browser": "ALL", "performance": "ALL"}
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
            session = Browser(f"http://127.0.0.1:{port}", capabilities)
            try:
                yield session
            finally:
                session.close()
        finally:
            driver.terminate()
            driver.wait(30)
            if driver.stdout is not None:
                driver.stdout.close()
