# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: Linux network namespaces, each with its own address, joined by a switch in one of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_S = 20


@dataclass
class Internet:
    """A switch and the hosts plugged into it. Everything is named after this process, and goes with `close`."""

    names: dict[str, str] = field(default_factory=dict)  # DNS name -> address
    hosts: dict[str, str] = field(default_factory=dict)  # host -> address
    prefix_length: int = 24
    prefix: str = field(default_factory=lambda: f"cw{os.getpid()}-")

    def open(self) -> None:
        """Make the switch. Raises OSError or CalledProcessError where that is not allowed."""
        ip("netns", "add", self._namespace("switch"))
        self._inside("switch", "link", "add", "bridge", "type", "bridge")
        self._inside("switch", "link", "set", "bridge", "up")

    def add_host(self, name: str, address: str) -> None:
        """A host with this address, its link up."""
        self.hosts[name] = address
        ip("netns", "add", self._namespace(name))
        self._write_names(name)
        port = f"to-{name}"[:15]
        ip("link", "add", port, "netns", self._namespace("switch"), "type", "veth",
           "peer", "name", "eth0", "netns", self._namespace(name))  # fmt: skip
        self._inside("switch", "link", "set", port, "master", "bridge", "up")
        self._inside(name, "link", "set", "lo", "up")
        if (
            ":" in address
        ):  # Fabric's peer does not start where it finds no IPv4 address at all: one that leads nowhere
            self._inside(name, "address", "add", "192.0.2.1/32", "dev", "lo")
        nodad = ["nodad"] if ":" in address else []  # IPv6 would wait a second for somebody else's claim
        self._inside(name, "address", "add", f"{address}/{self.prefix_length}", "dev", "eth0", *nodad)
        self._inside(name, "link", "set", "eth0", "up")

    def lose_host(self, name: str) -> None:
        """The host is gone, with all that ran on it, as in a fire."""
        self._kill(name)
        del self.hosts[name]
        ip("netns", "delete", self._namespace(name))
        shutil.rmtree(self._names_file(name).parent)

    def call(self, name: str, address: str) -> None:
        """Let every host resolve `name` to `address`, now and in programs that run already."""
        self.names[name] = address
        for host in self.hosts:
            self._write_names(host)

    def cut(self, host: str) -> None:
        """Take the host's link down, as if its cable were pulled at the switch."""
        self._inside("switch", "link", "set", f"to-{host}"[:15], "down")

    def mend(self, host: str) -> None:
        self._inside("switch", "link", "set", f"to-{host}"[:15], "up")

    def command(self, host: str, *command: str) -> list[str]:
        """`command` as run on the host."""
        return ["ip", "netns", "exec", self._namespace(host), *command]

    def close(self) -> None:
        """Take everything down, whatever state it is in."""
        for name in (*self.hosts, "switch"):
            self._kill(name)
            subprocess.run(
                ["ip", "netns", "delete", self._namespace(name)], capture_output=True, timeout=TIMEOUT_S
            )
            shutil.rmtree(self._names_file(name).parent, ignore_errors=True)

    def pids(self, *hosts: str) -> list[int]:
        """Of all programs on these hosts, or on all."""
        return [pid for host in hosts or self.hosts for pid in self._pids(host)]

    def _pids(self, host: str) -> list[int]:
        listed = subprocess.run(
            ["ip", "netns", "pids", self._namespace(host)], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        return [int(pid) for pid in listed.stdout.split()]

    def _kill(self, host: str) -> None:
        for pid in self._pids(host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _namespace(self, host: str) -> str:
        return self.prefix + host

    def _inside(self, host: str, *arguments: str) -> None:
        ip("-n", self._namespace(host), *arguments)

    def _names_file(self, host: str) -> Path:
        return Path("/etc/netns", self._namespace(host), "hosts")

    def _write_names(self, host: str) -> None:
        # Written in place: programs that run see this very file mounted over /etc/hosts.
        path = self._names_file(host)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in self.names.items())]
        path.write_text("\n".join(lines) + "\n")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
