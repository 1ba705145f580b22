"""Starts a fresh simulator per suite, lets the clients loose on it, and counts."""

import argparse
import pathlib
import signal
import sys
import tempfile

import article
import az
import cluster
import connections
import dns
import limits
from checks import Checks
from simulator import Kubectl, Simulator

SUITES = {
    "article": article.run,
    "connections": connections.run,
    "limits": limits.run,
    "dns": dns.run,
    "cluster": cluster.run,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--kubectl", required=True)
    parser.add_argument("--az", help="the Azure CLI; without it its commands are not tried")
    parser.add_argument("--only", action="append", choices=[*SUITES, "az"], default=[])
    options = parser.parse_args()
    # So that a signal ends what we started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    suites = {name: suite for name, suite in SUITES.items() if not options.only or name in options.only}
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="privlink-clients-") as folder:
        folder = pathlib.Path(folder)
        for name, suite in suites.items():
            with checks.suite(name), Simulator(options.binary, folder / name) as simulator:
                suite(checks, simulator, Kubectl(options.kubectl, simulator))
        if options.az and (not options.only or "az" in options.only):
            with checks.suite("az"), Simulator(options.binary, folder / "az") as simulator:
                az.run(checks, simulator, Kubectl(options.kubectl, simulator), options.az)
    return checks.close()


sys.exit(main())
