# SPDX-License-Identifier: Apache-2.0
"""A machine that systemd runs: this one's files under a layer of its own, with processes, cgroups and users apart.

systemd-nspawn boots it (Debian's package systemd-container). Its network is a namespace, as `namespaces` makes them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

SYSTEMD = Path("/usr/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
BOOT_S = 60
REBOOTS = 133  # how systemd-nspawn ends where its machine wants to be started again
USER_ID = 64_123
# What this machine may have enabled has no place on that one, and neither have services that need hardware.
MASKED = ("dbus", "systemd-logind", "systemd-udevd", "systemd-networkd", "systemd-resolved")


class NoMachineError(Exception):
    """No such machine can run here; the message says why."""


class Machine:
    """A machine by the name of its one user, whose folder lies at the same place here and there."""

    def __init__(self, user: str, namespace: str) -> None:
        self.user = user
        self.namespace = namespace
        self.folder = Path()
        self._layers = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def open(self, names: Mapping[str, str]) -> None:
        """Lay out its files; `names` are the hosts that it knows, name -> address. Raises NoMachineError."""
        if os.geteuid() != 0:
            raise NoMachineError("only root may start a machine of systemd's")
        if shutil.which("systemd-nspawn") is None or not SYSTEMD.exists():
            raise NoMachineError("systemd-nspawn, or systemd itself, is not installed")
        # Units have a /tmp of their own, and /home may be for reading alone: a service's folder lies in /srv.
        self.folder = Path(tempfile.mkdtemp(prefix="commonwatt-", dir="/srv"))
        self.folder.chmod(0o755)
        self._layers = Path(tempfile.mkdtemp(prefix="commonwatt-machine-"))
        for name in ("upper", "work", "root"):
            (self._layers / name).mkdir()
        layers = f"lowerdir=/,upperdir={self._layers / 'upper'},workdir={self._layers / 'work'}"
        mounted = _run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        if mounted.returncode:
            raise NoMachineError(f"no overlay of this machine's files: {mounted.stderr.strip()}")
        units = self.root / "etc/systemd/system"
        for wanted in units.glob("*.wants"):
            shutil.rmtree(wanted)
        for name in MASKED:
            masked = units / f"{name}.service"
            masked.unlink(missing_ok=True)
            masked.symlink_to("/dev/null")
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        (self.root / "etc/hosts").write_text("\n".join(lines) + "\n")
        with (self.root / "etc/passwd").open("a") as passwd:
            passwd.write(f"{self.user}:x:{USER_ID}:{USER_ID}::{self.folder}:/bin/sh\n")
        with (self.root / "etc/group").open("a") as group:
            group.write(f"{self.user}:x:{USER_ID}:\n")
        (self.root / "root").chmod(0o711)  # this Python may lie there
        os.chown(self.folder, USER_ID, USER_ID)

    @property
    def root(self) -> Path:
        """Its files, seen from here."""
        return self._layers / "root"

    def boot(self) -> None:
        """Start it, and wait until it has started what it has to. Raises NoMachineError."""
        log = self._layers / "console.log"
        with log.open("wb") as console:
            self._process = subprocess.Popen(
                [
                    *(
                        "systemd-nspawn",
                        "--quiet",
                        "--boot",
                        "--keep-unit",
                        "--register=no",
                        "--console=pipe",
                    ),
                    *("--resolv-conf=off", "--timezone=off", "--link-journal=no", f"--directory={self.root}"),
                    *(f"--machine=commonwatt-{os.getpid()}", f"--bind={self.folder}"),
                    f"--network-namespace-path=/run/netns/{self.namespace}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                preexec_fn=self._enter_cgroup,
            )
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            children = psutil.Process(self._process.pid).children()
            if children:
                self._pid = children[0].pid
                if self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        self.close()
        raise NoMachineError(f"systemd did not boot: {log.read_text(errors='replace').strip()[-500:]}")

    def reboot(self) -> float:
        """Restart it in good order; the seconds until it had ended."""
        assert self._process is not None
        began = time.monotonic()
        self.run("systemctl", "--no-block", "start", "reboot.target")
        assert self._process.wait(timeout=90) == REBOOTS
        ended = time.monotonic() - began
        self.boot()
        return ended

    def command(self, *words: str, user: str | None = None) -> tuple[str, ...]:
        """What runs `words` on the machine, as root or as the user."""
        inside = ("nsenter", "--target", str(self._pid), "--all", "--")
        named = ("runuser", "-u", user, "--", "env", f"HOME={self.folder}") if user else ()
        return (*inside, *named, *words)

    def run(self, *words: str, check: bool = True) -> str:
        """Run `words` on the machine, as root; what they print."""
        done = _run(*self.command(*words))
        assert done.returncode == 0 or not check, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def connects(self, port: int) -> bool:
        """Whether a program of the machine takes connections at this port."""
        return _run(*self.command("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")).returncode == 0

    def close(self) -> None:
        """Take everything down, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            for process in (*psutil.Process(self._process.pid).children(), self._process):
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    process.kill()
            self._process.wait(timeout=30)
        if self._layers != Path():
            _run("umount", "--lazy", str(self.root))
            shutil.rmtree(self._layers, ignore_errors=True)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        for group in self._cgroups():
            for each in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    each.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()

    def _enter_cgroup(self) -> None:
        """The machine's groups begin below one of its own, which goes with it."""
        for group in self._cgroups():
            group.mkdir(exist_ok=True)
            (group / "cgroup.procs").write_text("0")

    def _cgroups(self) -> list[Path]:
        """In each hierarchy that systemd keeps its units in."""
        kept = [CGROUPS / name for name in ("systemd", "unified") if (CGROUPS / name).is_dir()]
        return [place / f"commonwatt-{os.getpid()}" for place in kept or [CGROUPS]]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=120)
