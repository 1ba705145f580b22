"""A fresh simulator as a process of our own, and the ways to reach it."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
TENANT = "11111111-1111-1111-1111-111111111111"
STRANGERS_TENANT = "22222222-2222-2222-2222-222222222222"
PROVIDER = "00000000-0000-0000-0000-000000000001"
CONSUMER = "00000000-0000-0000-0000-000000000002"
FOREIGN = "00000000-0000-0000-0000-000000000003"
NODE_GROUP = "MC_myResourceGroup_myAKSCluster_eastus2"


class Simulator:
    """Starts with a world and ends with the `with` block, whatever happens in it."""

    def __init__(self, binary, folder, world=HERE / "world.yaml"):
        self.binary, self.folder, self.world = binary, pathlib.Path(folder), world

    def __enter__(self):
        self.folder.mkdir(parents=True)
        self.output = self.folder / "simulate.log"
        with open(self.output, "w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [self.binary, "simulate", "--world", self.world, "--dir", self.folder],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state")},
            )
        self._wait_for_endpoints()
        return self

    def _wait_for_endpoints(self):
        # The file that is written last: everything else is there by then.
        ready = self.folder / "env.sh"
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"the simulator did not start:\n{self.output.read_text(encoding='utf-8')}")
            time.sleep(0.02)
        lines = [line for line in ready.read_text(encoding="utf-8").splitlines() if line.startswith("export ")]
        exports = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        self.url = exports["PRIVLINK_CLOUD_SIMULATOR"].strip("'").split(",")[0]
        self.admin_url = (self.folder / "admin-url").read_text(encoding="utf-8").strip()
        self.ca, self.kubeconfig = self.folder / "ca.pem", self.folder / "kubeconfig"

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def admin(self, method, path, body=None):
        """Calls the simulator's own API."""
        token = (self.folder / "admin-token").read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            f"{self.admin_url}/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class Kubectl:
    """kubectl with the kubeconfig of the simulator."""

    def __init__(self, binary, simulator):
        self.binary, self.simulator = binary, simulator
        home = simulator.folder / "home"
        home.mkdir()
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.env = {**keep, "HOME": str(home), "TMPDIR": str(home), "KUBECONFIG": str(simulator.kubeconfig)}

    def run(self, *arguments, stdin=None, timeout=30, env=None):
        """Runs a command; answers exit code, output, errors."""
        ran = subprocess.run(
            [self.binary, *arguments], input=stdin, env={**self.env, **(env or {})}, timeout=timeout,
            capture_output=True, text=True, check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    def __call__(self, *arguments, stdin=None):
        """Runs a command that must succeed; answers its output."""
        code, out, err = self.run(*arguments, stdin=stdin)
        if code != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)} ended with {code}:\n{out}{err}")
        return out

    def json(self, *arguments):
        """Reads an object or a list."""
        return json.loads(self(*arguments, "-o", "json"))

    def start(self, *arguments):
        """Starts a command that goes on; whoever started it ends it."""
        return subprocess.Popen(
            [self.binary, *arguments], env=self.env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )


def eventually(look, seconds=20):
    """Looks until there is something to see; answers the last look."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen or time.monotonic() > deadline:
            return seen
        time.sleep(0.05)
