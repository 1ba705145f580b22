"""Opens the pages of the demo's agent in chromium, and looks at what it made of them.

Every look is a browser of its own with a profile of its own. Its network log says what it asked for, its console what it
objected to, the DOM what is there for a reader, and the screenshots that there is something to see.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zlib

SIZES = {"wide": "1280,2400", "narrow": "420,2400"}
SCHEMES = {"light": "1", "dark": "0"}
DEADLINE = 60


class Demo:
    """The demo's world with the agent's page; ends with the `with` block."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def __enter__(self):
        self.log = self.folder / "demo.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.binary, "demo", "--yes", "--serve", "--listen", "0", "--keep", self.folder / "demo"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "XDG_CACHE_HOME": str(self.folder / "cache")},
            )
        try:
            self.url = self._wait(self.address, "the demo did not begin to serve")
            self._wait(lambda: "waits for approval" in self.get("/"), "no plan is pending")
        except BaseException:
            self.__exit__()
            raise
        return self

    def address(self):
        told = re.search(r"in a browser: (http://\S+)/\s", self.log.read_text(encoding="utf-8"))
        return told and told.group(1)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def _wait(self, look, what):
        deadline = time.monotonic() + DEADLINE
        while True:
            seen = look()
            if seen:
                return seen
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what}:\n{self.log.read_text(encoding='utf-8')}")
            time.sleep(0.05)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Browser:
    """Looks at one address, once."""

    def __init__(self, folder):
        self.folder = folder

    def look(self, url, *arguments):
        """Answers the output, the console, and every address that was asked for."""
        profile = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        log = profile / "net.json"
        ran = subprocess.run(
            [
                "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr", f"--user-data-dir={profile}", f"--log-net-log={log}", *arguments, url,
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=True,
        )
        console = [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]
        return ran.stdout, console, asked(log.read_text(encoding="utf-8"))


def asked(log):
    """The addresses that a page asked for, from a network log: what the browser asks on its own account has no page's key."""
    requests = (event.get("params", {}) for event in json.loads(log)["events"])
    return {it["url"] for it in requests if "url" in it and "127.0.0.1" in it.get("network_isolation_key", "")}


def colours(png):
    """How many different colours a screenshot has, and how bright it is on average: 0 to 255."""
    data = png.read_bytes()
    at, chunks = 8, {}
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at:at + 4]), data[at + 4:at + 8]
        chunks.setdefault(kind, b"")
        chunks[kind] += data[at + 8:at + 8 + size]
        at += size + 12
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    step = {2: 3, 6: 4}[colour]
    assert depth == 8
    raw, stride, before = zlib.decompress(chunks[b"IDAT"]), width * step, bytes(width * step)
    seen, total, count = set(), 0, 0
    for row in range(height):
        start = row * (stride + 1)
        before = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), before, step)
        for x in range(0, stride, step * 8):
            seen.add(before[x:x + 3])
            total, count = total + sum(before[x:x + 3]), count + 3
    return len(seen), total / count


def unfilter(kind, row, above, step):
    """Undoes the filter of one row of a PNG."""
    for x in range(len(row)):
        left = row[x - step] if x >= step else 0
        up = above[x]
        corner = above[x - step] if x >= step else 0
        if kind == 1:
            row[x] = (row[x] + left) & 255
        elif kind == 2:
            row[x] = (row[x] + up) & 255
        elif kind == 3:
            row[x] = (row[x] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            row[x] = (row[x] + min((left, up, corner), key=lambda it: abs(guess - it))) & 255
    return bytes(row)


def holds(what, is_true, told=""):
    if not is_true:
        raise SystemExit(f"FAILED: {what}\n{told}")
    print(f"ok  {what}")


def strict(url):
    """A browser's objections are worth something only under the headers that make it object."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
    holds("the policy allows nothing that is not named", "default-src 'none'" in policy and "unsafe" not in policy, policy)
    request = urllib.request.Request(url, headers={"Host": "evil.example"})
    try:
        urllib.request.urlopen(request, timeout=10).close()
        holds("another host name is refused", False)
    except urllib.error.HTTPError as refused:
        holds("another host name is refused", refused.code == 421, refused.code)


def dom(browser, url):
    """What a reader finds, in the order in which it is read."""
    text, console, urls = browser.look(url, "--dump-dom")
    origin = url.removesuffix("/environments/prod")
    wanted = {f"{origin}/environments/prod", f"{origin}/style.css"}
    holds("nothing is loaded but the page, its style and its icon", wanted <= urls <= wanted | {f"{origin}/icon.svg"}, urls)
    holds("the browser has no objection", not console, "\n".join(console))
    holds("there is no script", "<script" not in text and not re.search(r"\son\w+=", text))
    order = ["Pending plan", "Who is affected", "Changes, the worst first", "Approval", "Topology", "History of applies"]
    found = [re.search(f"<h[23][^>]*>{word}", text) for word in order]
    places = [it.start() for it in found if it]
    whole = len(places) == len(order) and places == sorted(places)
    holds("who is affected comes before the changes", whole, list(zip(order, found)))
    svg = text[text.find('role="img"'):text.find("</svg></div>")]
    holds("the picture has a title and a description", "picture-title" in svg and "picture-desc" in svg)
    holds("the picture shows who is hit", "Approved, hit" in svg)
    names = ["default/orders", "pls-orders", "Orders front office", "myOrdersPE", "api.orders.internal"]
    missing = [name for name in names if name not in text]
    holds("the topology has its names", not missing, missing)
    listed = text[text.find("The same as a list"):]
    holds("the list says the same", all(name in listed for name in ("default/orders", "pls-orders", "api.orders.internal")))
    ids = re.findall(r'\sid="([^"]+)"', text)
    targets = re.findall(r'href="#([^"]+)"|aria-labelledby="([^"]+)"', text)
    wanted = {word for pair in targets for part in pair for word in part.split()}
    holds("every reference finds its place", len(ids) == len(set(ids)) and wanted <= set(ids), wanted - set(ids))


def pictures(browser, demo, keep):
    """Light is light, dark is dark, and both show something."""
    bright = {}
    for page, path in {"index": "/", "prod": "/environments/prod"}.items():
        for size, pixels in SIZES.items():
            for scheme, setting in SCHEMES.items():
                png = keep / f"{page}-{size}-{scheme}.png"
                _, console, _ = browser.look(
                    demo.url + path, f"--screenshot={png}", f"--window-size={pixels}",
                    f"--blink-settings=preferredColorScheme={setting}",
                )
                holds(f"{png.stem}: no objection", not console, "\n".join(console))
                shades, bright[scheme] = colours(png)
                holds(f"{png.stem}: there is something to see", shades > 20, shades)
            holds(f"{page}, {size}: dark is dark", bright["dark"] < 90 < 180 < bright["light"], bright)


def main(binary):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        keep = pathlib.Path(os.environ.get("PRIVLINK_SCREENSHOTS", folder / "screenshots"))
        keep.mkdir(parents=True, exist_ok=True)
        if shutil.which("chromium") is None:
            raise SystemExit("chromium is needed: install the package chromium")
        browser = Browser(folder)
        with Demo(binary, folder) as demo:
            strict(demo.url + "/environments/prod")
            dom(browser, demo.url + "/environments/prod")
            pictures(browser, demo, keep)


if __name__ == "__main__":
    main(*sys.argv[1:])
