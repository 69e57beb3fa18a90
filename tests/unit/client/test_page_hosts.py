# SPDX-License-Identifier: Apache-2.0
"""Which `Host` headers a page takes."""

from __future__ import annotations

import socket

import pytest
from commonwatt_client.page_hosts import is_expected

MACHINE = socket.gethostname()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:9480",
        "localhost:9480",
        "LOCALHOST.",
        "[::1]:9480",
        "192.0.2.7:80",
        MACHINE,
        f"{MACHINE}:9480",
        "watch.example:9480",
    ],
)
def test_this_machine_is_meant(host: str) -> None:
    assert is_expected(host, ["Watch.Example"])


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":9480",
        "attacker.example",
        "attacker.example:9480",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "localhost@attacker.example",
        "attacker.example#localhost",
        "attacker.example, localhost",
        "attacker.example/localhost",
        "2130706433",  # 127.0.0.1 as one number: no browser sends it so
        "localhost:http",
        "[::1",
        "watch.example.attacker.example",
    ],
)
def test_another_name_is_not_taken(host: str | None) -> None:
    assert not is_expected(host, ["watch.example"])
