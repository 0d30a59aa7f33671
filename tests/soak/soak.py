"""Soak the server: clients of all kinds, good and hostile, against parts that are killed.

Two servers run: a broker with two frontends and two hosts, and `kernelbus serve`. Good clients know
what each answer must be. Others flood, connect and say nothing, do not read, and leave kernels
busy. An administrator gives orders. A killer ends brokers, frontends, hosts and kernels, and stops
them for a time. Then everybody leaves, the hosts are drained, and nothing may be left.

Run: python tests/soak/soak.py --seconds 1800 [--seed N] [--report FILE]. It prints a report, writes
the same and more as JSON, and exits with status 1 when the server has failed. The seed decides what
each actor does and in which order; how they meet depends on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from actors import perform
from customers import Customer, OneShots, Program
from hostiles import Hostile
from meddlers import Administrator, Killer
from record import BROKEN, LEFT, Record
from report import as_data, as_text, findings
from sites import Site

from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
from kernelbus.bus.protocol.orders import HostOrder, PoolOrder, SessionOrder
from kernelbus.bus.protocol.reports import Status

#: How long kernels may take to end when everybody has left, in seconds; and a host to leave.
_QUIET = 40.0
#: Beyond the time that is asked for and all that may take long at the end, it is killed.
_AT_MOST = 600.0


def main() -> int:
    """Run a soak, and return the exit status."""
    parser = argparse.ArgumentParser(description="Soak the server.")
    parser.add_argument("--seconds", type=float, default=1800.0, help="how long clients come (1800)")
    parser.add_argument("--seed", type=int, default=0, help="what chance begins with (any)")
    parser.add_argument("--report", type=Path, default=Path("build/soak.json"), help="where the JSON goes (build/soak.json)")
    options = parser.parse_args()
    record = Record(options.seed or random.SystemRandom().randrange(1, 10**6), options.seconds)
    print(f"soak of {options.seconds:.0f} s with seed {record.seed}", flush=True)
    threading.Thread(target=_end_for_sure, args=(options.seconds + _AT_MOST,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="kernelbus-soak-", ignore_cleanup_errors=True) as folder:
        soak(Path(folder), record)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(as_data(record), indent=1))
    print(as_text(record))
    print(f"all of it: {options.report}")
    return 1 if findings(record) else 0


def _end_for_sure(seconds: float) -> None:
    """End this process, which ends its parts, if it does not end by itself."""
    time.sleep(seconds)
    print(f"the soak does not come to its end, and is stopped after {seconds:.0f} s", file=sys.stderr, flush=True)
    for site in _sites:
        site.kill_left()
    os._exit(1)


_sites: list[Site] = []


def soak(folder: Path, record: Record) -> None:
    """Do all of it."""
    began = time.monotonic()
    try:
        for separate in (True, False):
            _sites.append(Site(folder / ("parts" if separate else "serve"), record, began, separate))
        parts, serve = _sites
        actors = [
            *(Customer(f"customer {number} of pool {pool}", parts, record, pool) for pool in "SM" for number in range(3)),
            *(Customer(f"customer of serve's pool {pool}", serve, record, pool) for pool in "SM"),
            *(Program(f"program at {site.broker.name}", site, record) for site in _sites),
            OneShots("one-shots", parts, record),
            *(Hostile(f"hostile {number}", parts, record) for number in range(2)),
            Hostile("hostile at serve", serve, record),
            Administrator("administrator", parts, record),
            Administrator("administrator of serve", serve, record),
            Killer("killer", parts, record),
            Killer("killer at serve", serve, record),
        ]
        threading.Thread(target=_tell, args=(record, parts), daemon=True).start()
        perform(actors, parts.now + record.seconds)
        for site in _sites:
            settle(site, record)
            site.end()
            if left := _wait_for_none(site):
                record.fault(site.now, LEFT, site.broker.name, "processes are left: " + "; ".join(left))
    finally:
        for site in _sites:
            site.stop_sampling()
            with contextlib.suppress(AssertionError):
                for slot in site.slots:
                    slot.part.kill()
            site.kill_left()


def _tell(record: Record, site: Site) -> None:
    """Print now and then how far it is."""
    while True:
        time.sleep(30)
        faults = sum(number for what, number in list(record.counts.items()) if what.startswith("faults: "))
        print(f"{site.now:6.0f} s: {record.counts['evaluations']} evaluations, {faults} faults", flush=True)


def settle(site: Site, record: Record) -> None:
    """Wait until no session is left, drain the pools and the hosts, and see the hosts leave."""
    with AdminClient(site.endpoint, secrets.token_bytes, sender="soak@here", timeout=30) as client:
        try:
            for kernel in client.status().kernels:
                if kernel.kernel in record.detached and kernel.state == "detached":
                    # Its client was not one that comes back.
                    with contextlib.suppress(OrderRefused):
                        client.order(SessionOrder(0, "", kernel.kernel, "close"))
            status = _until(client, lambda status: not _kernels(status, "attached", "detached", "ending", "starting"))
            if left := _kernels(status, "attached", "detached", "ending", "starting"):
                logged = [line for kernel in status.kernels if kernel.state != "ready" for line in site.lines(kernel.kernel[:8])]
                record.fault(site.now, LEFT, site.broker.name, "\n".join([f"sessions are left: {left}", *logged]))
                for kernel in status.kernels:
                    with contextlib.suppress(OrderRefused):
                        client.order(SessionOrder(0, "", kernel.kernel, "close"))
            for pool in status.pools:
                client.order(PoolOrder(0, "", pool.pool, "drain"))
            status = _until(client, lambda status: not status.kernels)
            if status.kernels:
                record.fault(site.now, LEFT, site.broker.name, f"kernels of drained pools are left: {_kernels(status)}")
            time.sleep(2)  # for a last sample of parts that have nothing to do
            for slot in site.hosts if site.separate else ():
                client.order(HostOrder(0, "", slot.name.split()[1], "drain"))
                deadline = time.monotonic() + _QUIET
                while slot.part.process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.1)
                if slot.part.process.poll() is None:
                    record.fault(site.now, LEFT, slot.name, f"it was drained {_QUIET:.0f} s ago, and has not left")
        except (BrokerUnreachable, OrderRefused) as error:
            record.fault(site.now, BROKEN, site.broker.name, f"orders at the end: {error}")


def _kernels(status: Status, *states: str) -> list[str]:
    kernels = [kernel for kernel in status.kernels if not states or kernel.state in states]
    return [f"{kernel.pool} {kernel.kernel[:8]} {kernel.state} for {kernel.since:.0f} s, client {kernel.client!r}" for kernel in kernels]


def _until(client: AdminClient, quiet: object) -> Status:
    """Return the first status for which `quiet` holds, or the last one."""
    deadline = time.monotonic() + _QUIET
    while True:
        status = client.status()
        if quiet(status) or time.monotonic() > deadline:  # type: ignore[operator]
            return status
        time.sleep(0.2)


def _wait_for_none(site: Site) -> list[str]:
    """Return the processes of a site that do not go."""
    deadline = time.monotonic() + 15
    while (left := site.left()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


if __name__ == "__main__":
    sys.exit(main())
