# SPDX-License-Identifier: Apache-2.0
"""systemd units of an organisation's host: each program in one of its own, hardened, and a timer that renews.

A unit's program carries the same marks as one that `org start` started, so `org status` and the other verbs know it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from commonwatt_network.backends.backend import File
from commonwatt_network.backends.configuration import templates
from commonwatt_network.backends.containers import refuse_foreign, write_files
from commonwatt_network.consortium.host import OwnHost, chaincode_program, programs_of
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PUBLIC_FILE, make_private, write_atomically
from commonwatt_network.model.nodes import ChaincodeServer
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes
from commonwatt_network.programs.fabric import check_version, find_fabric
from commonwatt_network.programs.processes import Program

PRIVATE = ("/tmp", "/var/tmp")  # noqa: S108  by PrivateTmp
AUTHORITY_KEYS = ("ca.key", "former.key")
TIMER = """# Written by `commonwatt org units`.
[Unit]
Description=Renews the certificates of {organization} before they expire

[Timer]
OnCalendar=daily
RandomizedDelaySec=6h
Persistent=true

[Install]
WantedBy=timers.target
"""
RENEWAL = """# Written by `commonwatt org units`. It stops a node that has a new certificate; systemd starts it again.
[Unit]
Description=Renews the certificates of {organization} before they expire
After={target}

[Service]
Type=oneshot
User={user}
ExecStart={command}
UMask=0077
ReadWritePaths={folder}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=true
PrivateDevices=true
ProtectKernelModules=true
ProtectKernelTunables=true
NoNewPrivileges=true
CapabilityBoundingSet=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictSUIDSGID=true
LockPersonality=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
TARGET = """# Written by `commonwatt org units`.
[Unit]
Description=All that {organization} runs on this host

[Install]
WantedBy=multi-user.target
"""


def write_units(host: OwnHost, output: Path, user: str | None = None) -> list[Path]:
    """Write the units into `output`; their paths. `user` runs them: by default the owner of the organisation's folder.

    Raises UsageError for nodes in containers, an unknown user, a folder that units cannot see, and an `output` that
    holds anything else.
    """
    if host.in_containers:
        raise UsageError(
            f"{host.name}'s nodes run under {host.description.backend}, which starts them again itself"
        )
    hidden = next((path for path in PRIVATE if host.layout.directory.resolve().is_relative_to(path)), None)
    if hidden is not None:
        raise UsageError(
            f"each unit has a {hidden} of its own, so none would find {host.layout.directory}; let the organisation's "
            "folder lie elsewhere, such as in /srv"
        )
    files = units_of(host, user or pwd.getpwuid(host.layout.directory.stat().st_uid).pw_name)
    if output.exists() and output.is_dir() and any(output.glob("commonwatt-*")):
        refuse_foreign(output, [*files, *(path.name for path in output.glob(f"{_stem(host)}*"))])
    write_files(output, files)
    return [output / name for name in files]


def units_of(host: OwnHost, user: str) -> dict[str, File]:
    """File's name -> unit. Raises UsageError for a user that this machine does not know."""
    try:
        home = pwd.getpwnam(user).pw_dir
    except KeyError:
        raise UsageError(f"this machine has no user {user}; make one, or name another with --user") from None
    fabric = find_fabric(host.layout.directory)
    check_version(fabric, "raft")
    with exclusive(host.layout):
        programs = programs_of(host, fabric)
    target = f"{_stem(host)}.target"
    files = {target: TARGET.format(organization=host.name)}
    for program in programs:
        make_private(program.directory)
        files[f"{_stem(host)}-{program.name}.service"] = _service(host, program, user, home, target)
    command = _command()
    words = [*command, "org", "renew", "--directory", str(host.layout.directory)]
    files[f"{_stem(host)}-renew.service"] = RENEWAL.format(
        organization=host.name,
        target=target,
        user=user,
        command=" ".join(map(word, words)),
        folder=word(str(host.layout.directory)),
    )
    files[f"{_stem(host)}-renew.timer"] = TIMER.format(organization=host.name)
    return {name: File(text.encode(), PUBLIC_FILE) for name, text in files.items()}


def under_systemd(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment was started by a unit, which starts it again when it ends."""
    return "SYSTEMD_EXEC_PID" in environment and "INVOCATION_ID" in environment


def refuse_under_systemd(host: OwnHost) -> None:
    """Raise UsageError where units run the organisation's programs: what is stopped here, systemd starts again."""
    groups = processes.running(host.layout).values()
    if any(under_systemd(group[0].environ()) for group in groups):
        raise UsageError(
            f"systemd runs {host.name}'s nodes; stop them with `systemctl stop '{_stem(host)}*'`"
        )


def write_environment(host: OwnHost, server: ChaincodeServer) -> Path:
    """Write what the chaincode's unit reads whenever it starts: the package that peers install changes; its file."""
    path = host.layout.configuration / server.name / "unit.env"
    lines = (
        f"{name}={_quoted(value)}\n" for name, value in chaincode_program(host, server).environment.items()
    )
    write_atomically(path, "".join(lines))
    return path


def word(text: str) -> str:
    """A word of a unit as it stands: neither split nor expanded."""
    escaped = percent(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("\n", "\\n")
    return f'"{escaped}"'


def percent(text: str) -> str:
    """Text in which systemd fills in nothing."""
    return text.replace("%", "%%")


def _service(host: OwnHost, program: Program, user: str, home: str, target: str) -> str:
    environment = templates()
    environment.filters |= {"word": _variable, "command_word": word, "percent": percent}
    marks = {
        processes.FOLDER_VARIABLE: str(host.layout.directory),
        processes.NAME_VARIABLE: program.name,
        processes.START_VARIABLE: "systemd",
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
    }
    ledgers = [node.ledger for node in host.fabric_nodes if node.name == program.name]
    for folder in (*ledgers, host.layout.logs):
        make_private(folder)
    own = host.layout.organization(host.name)
    served = next((server for server in host.chaincode_servers if server.name == program.name), None)
    # Only its owner reads a log, and systemd would make it as root.
    processes.begin_log(host.layout, program.name).close()
    return environment.get_template("unit.service.j2").render(
        description=f"{program.name} of {host.mspid}",
        target=target,
        user=user,
        program=replace(program, environment=marks if served else {**marks, **program.environment}),
        environment_file=write_environment(host, served) if served else None,
        log=processes.log_file(host.layout, program.name),
        writes=[*ledgers, host.layout.logs],
        secrets=[*(own / kind / key for kind in ("ca", "tlsca") for key in AUTHORITY_KEYS), own / "users"],
        compiled=bool(ledgers),
    )


def _variable(text: str) -> str:
    """A word of an Environment or ReadWritePaths line, where a dollar is a dollar."""
    return word(text).replace("$$", "$")


def _quoted(text: str) -> str:
    """A value in a file of variables, as it stands."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'"{escaped}"'


def _command() -> list[str]:
    beside = Path(sys.executable).with_name("commonwatt")
    found = str(beside) if beside.exists() else shutil.which("commonwatt")
    return [found] if found else [sys.executable, "-m", "commonwatt_network.cli.main"]


def _stem(host: OwnHost) -> str:
    return f"commonwatt-{host.name}"
