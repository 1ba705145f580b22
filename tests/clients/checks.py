"""Checks with names that read as sentences, one line each, and the closing count."""

import contextlib
import sys
import traceback

from azure.core.exceptions import HttpResponseError


def _where():
    """Shows the lines of ours that led to what is being handled."""
    for frame in traceback.extract_tb(sys.exc_info()[2]):
        if "site-packages" not in frame.filename:
            print(f"      {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}: {frame.line}")


class Checks:
    """What was expected and what was seen, so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def that(self, name, holds, seen=""):
        """Notes whether something holds."""
        if holds:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {name}: {seen}", flush=True)
        return bool(holds)

    def equal(self, name, seen, expected):
        """Notes whether a value is the expected one."""
        return self.that(name, seen == expected, f"expected {expected!r}, got {seen!r}")

    def has(self, name, text, *parts):
        """Notes whether a text has all the parts."""
        missing = [part for part in parts if part not in text]
        return self.that(name, not missing, f"{missing!r} is not in {text!r}")

    def refused(self, name, call, status=None, code=None):
        """Notes whether a call of the SDK is refused with a status and a code; answers the refusal."""
        try:
            result = call()
        except HttpResponseError as error:
            seen = (error.status_code, error.error.code if error.error else None)
            expected = (status or seen[0], code or seen[1])
            self.that(name, seen == expected, f"expected {expected}, got {seen}: {error.message}")
            return error
        self.that(name, False, f"expected a refusal with {status} {code}, got {result!r}")
        return None

    @contextlib.contextmanager
    def suite(self, title):
        """Groups checks; what ends a group early is a failure, and the next group still runs."""
        print(f"\n# {title}", flush=True)
        try:
            yield
        except Exception:  # noqa: BLE001: anything a client throws is a finding
            traceback.print_exc(limit=-1, chain=False, file=sys.stdout)
            _where()
            self.that(f"{title}: runs to its end", False, "see the trace above")

    def close(self):
        """Prints the closing line; answers the exit code."""
        print(f"\n{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
