# SPDX-License-Identifier: Apache-2.0
"""docs/messages.md: each worked example byte for byte, every field and every code, and its program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commonwatt_chaincode.messages.fields import FIELDS
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.messages.refusals import MessageCode
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from .making import EC_KEY, EC_PRIVATE, EVERYWHERE, OKP_KEY, OKP_PRIVATE, b64, both

EXAMPLE = re.compile(
    r"### (\S+), (ES256|EdDSA)\n\n```\nheader   (.*)\npayload  (.*)\nmessage  (.*)\ndigest   (.*)\n```"
)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "messages.md").read_text("utf-8")


def test_the_worked_examples_byte_for_byte(page: str) -> None:
    examples = EXAMPLE.findall(page)
    assert [example[0] for example in examples] == list(FIELDS)
    assert {example[1] for example in examples} == {"ES256", "EdDSA"}
    for typ, alg, header, payload, message, digest in examples:
        key = EC_KEY if alg == "ES256" else OKP_KEY
        signing_input = b64(header.encode()) + b"." + b64(payload.encode())
        if key is OKP_KEY:
            signature = OKP_PRIVATE.sign(signing_input)
        else:
            r, s = decode_dss_signature(
                EC_PRIVATE.sign(signing_input, ec.ECDSA(SHA256(), deterministic_signing=True))
            )
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        assert message.encode() == signing_input + b"." + b64(signature), typ
        assert both(message.encode(), key) == "accepted"
        assert read(message.encode()).digest == digest
    assert f"`{EC_KEY.kid}`" in page
    assert f"`{OKP_KEY.kid}`" in page


def test_the_table_of_fields(page: str) -> None:
    for typ, table in FIELDS.items():
        (row,) = re.findall(rf"\| `{typ}` \| (.*) \|", page)
        named = set(re.findall(r"`(\w+)`", row)) - {
            "measured", "substituted", "estimated", "home", "meter", "operator", "carrier", "nonce",
        }  # fmt: skip
        assert named == table.keys() - EVERYWHERE.keys()


def test_every_code_is_explained(page: str) -> None:
    section = page.split("## Refusals")[1].split("##")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert sorted(code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])) == sorted(
        MessageCode
    )


def test_the_first_program(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    names: dict[str, bytes] = {}
    exec(program, names)
    assert read(names["message"]).payload["energy_wh"] == 1_200
    assert (tmp_path / "home.pem").stat().st_mode & 0o777 == 0o600
