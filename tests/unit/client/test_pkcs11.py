"""Signing with a key in a PKCS#11 token, by SoftHSM (Debian: softhsm2)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ConfigurationError
from commonwatt_client.signers import CURVE_ORDERS
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .conftest import new_keyed

LIBRARY_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
PIN = "2468"
CURVES = {"home001": "P-256", "home002": "P-384"}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Any]]]:
    """SoftHSM's library, and a token `homes` with a key per curve, whose identities it also gives."""
    pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
    library = next((place for place in LIBRARY_PLACES if Path(place).exists()), None)
    if library is None or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n"
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")

    def util(*arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, timeout=30)

    try:
        util("--init-token", "--free", "--label", "homes", "--pin", PIN, "--so-pin", "1357")
        identities = {}
        for number, (label, kind) in enumerate(CURVES.items()):
            keyed = identities[label] = new_keyed(kind)
            (folder / "key.pem").write_bytes(keyed.key_pem)
            where = ["--token", "homes", "--label", label, "--id", f"0{number}", "--pin", PIN]
            util("--import", str(folder / "key.pem"), *where)
        yield library, identities
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before:
            os.environ["SOFTHSM2_CONF"] = before


@pytest.mark.parametrize("label", CURVES)
def test_signs_as_the_key_in_memory_would(token: tuple[str, dict[str, Any]], label: str) -> None:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    library, identities = token
    keyed = identities[label]
    with Pkcs11Signer(library, token_label="homes", pin=PIN, key_label=label) as signer:
        for number in range(10):
            message = b"trade %d" % number
            signature = signer.sign(keyed.identity.digest(message))
            keyed.public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            assert decode_dss_signature(signature)[1] <= CURVE_ORDERS[keyed.public_key.curve.key_size] // 2


def test_clear_refusals(token: tuple[str, dict[str, Any]]) -> None:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    library, _ = token
    with pytest.raises(ConfigurationError, match="no PKCS#11 library"):
        Pkcs11Signer("/nowhere/lib.so", token_label="homes", pin=PIN)
    with pytest.raises(ConfigurationError, match="check its label and PIN") as caught:
        Pkcs11Signer(library, token_label="homes", pin="9999", key_label="home001")
    assert "9999" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="'strangers' cannot be opened"):
        Pkcs11Signer(library, token_label="strangers", pin=PIN)
    with pytest.raises(ConfigurationError, match="0 keys fit"):
        Pkcs11Signer(library, token_label="homes", pin=PIN, key_label="home999")
    with pytest.raises(ConfigurationError, match="2 keys fit"):
        Pkcs11Signer(library, token_label="homes", pin=PIN)
