# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys that the person names, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from commonwatt_network.connected.identities import LARGEST_FILE, read_holder, read_users
from commonwatt_network.errors import UsageError
from commonwatt_network.trust import certificates
from commonwatt_network.trust.certificates import KeyPair, create_authority, issue_enrolment
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

AUTHORITY = create_authority("ca.org1.example.com", "org1.example.com")


def write(
    folder: Path, pair: KeyPair, certificate: str = "cert.pem", key: str = "key.pem"
) -> tuple[Path, Path]:
    files = folder / certificate, folder / key
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    files[0].write_bytes(pair.certificate_pem)
    files[1].write_bytes(pair.key_pem)
    files[1].chmod(0o600)
    return files


def test_a_pair_of_files(tmp_path: Path) -> None:
    attributes = {"role": "home", "home.id": "home001"}
    pair = issue_enrolment(AUTHORITY, "home001@org1.example.com", "client", attributes, 30)
    holder = read_holder("", *write(tmp_path, pair))
    assert (holder.name, holder.role, holder.issuer) == ("home001", "client", "ca.org1.example.com")
    assert holder.attributes == attributes
    assert not holder.readable_by_others
    holder.private_key.chmod(0o640)
    assert holder.readable_by_others


def other_key(certificate: Path, key: Path) -> None:
    key.write_bytes(issue_enrolment(AUTHORITY, "other", "client", None, 30).key_pem)


def encrypted(certificate: Path, key: Path) -> None:
    pair = issue_enrolment(AUTHORITY, "user", "client", None, 30)
    certificate.write_bytes(pair.certificate_pem)
    sealed = BestAvailableEncryption(b"secret")
    key.write_bytes(pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))


def expired(certificate: Path, key: Path) -> None:
    with patch.object(certificates, "BACKDATED", timedelta(days=10)):
        pair = issue_enrolment(AUTHORITY, "user", "client", None, -1)
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)


def missing(certificate: Path, key: Path) -> None:
    key.unlink()


def swapped(certificate: Path, key: Path) -> None:
    certificate.write_bytes(key.read_bytes())


def huge(certificate: Path, key: Path) -> None:
    with key.open("ab") as file:
        file.truncate(LARGEST_FILE + 1)


def folder_of_keys(certificate: Path, key: Path) -> None:
    key.unlink()
    key.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_key, "is not the key of"),
        (encrypted, "is encrypted"),
        (expired, "expired on"),
        (missing, "No such file"),
        (swapped, "is no X.509 certificate"),
        (huge, "larger than 64 KiB"),
        (folder_of_keys, "is a folder"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, spoil: Callable[[Path, Path], None], said: str
) -> None:
    files = write(tmp_path, issue_enrolment(AUTHORITY, "user", "client", None, 30))
    spoil(*files)
    with pytest.raises(UsageError, match=said) as raised:
        read_holder("", *files)
    assert "\n" not in str(raised.value)
    assert "BEGIN PRIVATE" not in str(raised.value)


def test_users_of_every_layout(tmp_path: Path) -> None:
    """As cryptogen, fabric-ca-client and this kit write them; a folder with something else is passed over."""
    layouts = {
        "Admin@org1.example.com": ("msp/signcerts/Admin@org1.example.com-cert.pem", "msp/keystore/priv_sk"),
        "home001": ("signcerts/cert.pem", "keystore/5f3a_sk"),
        "operator": ("certificate.pem", "private_key.pem"),
    }
    for name, files in layouts.items():
        write(tmp_path / name, issue_enrolment(AUTHORITY, name, "client", None, 30), *files)
    (tmp_path / "nobody").mkdir()
    (tmp_path / "file").write_text("")
    assert [holder.name for holder in read_users(tmp_path)] == ["Admin", "home001", "operator"]


def test_of_several_keys_the_newest_is_taken(tmp_path: Path) -> None:
    """fabric-ca-client leaves the key of every enrolment."""
    user = tmp_path / "home001"
    former = issue_enrolment(AUTHORITY, "home001", "client", None, 30)
    write(user, former, "msp/signcerts/cert.pem", "msp/keystore/former_sk")
    os.utime(user / "msp" / "keystore" / "former_sk", (1, 1))
    write(
        user,
        issue_enrolment(AUTHORITY, "home001", "client", None, 30),
        "msp/signcerts/cert.pem",
        "msp/keystore/new_sk",
    )
    [holder] = read_users(tmp_path)
    assert holder.private_key.name == "new_sk"


def test_a_folder_without_users_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no users"):
        read_users(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        read_users(tmp_path / "nowhere")
