"""Signing with a key in a PKCS#11 token, by SoftHSM (Debian: softhsm2)."""

import pytest
from commonwatt_client import ConfigurationError
from commonwatt_client.signers import CURVE_ORDERS
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ...softhsm import SoftHsm
from .conftest import Keyed, new_keyed

CURVES = {"home001": "P-256", "home002": "P-384"}


@pytest.fixture(scope="module")
def homes(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Keyed]:
    """The identities whose keys the token `homes` holds."""
    folder = tmp_path_factory.mktemp("keys")
    identities = {label: new_keyed(kind) for label, kind in CURVES.items()}
    for label, keyed in identities.items():
        (folder / label).write_bytes(keyed.key_pem)
    softhsm.new_token("homes", {label: folder / label for label in CURVES})
    return identities


@pytest.mark.parametrize("label", CURVES)
def test_signs_as_the_key_in_memory_would(softhsm: SoftHsm, homes: dict[str, Keyed], label: str) -> None:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    keyed = homes[label]
    with Pkcs11Signer(softhsm.library, token_label="homes", pin=softhsm.pin, key_label=label) as signer:
        for number in range(10):
            message = b"trade %d" % number
            signature = signer.sign(keyed.identity.digest(message))
            keyed.public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            assert decode_dss_signature(signature)[1] <= CURVE_ORDERS[keyed.public_key.curve.key_size] // 2


def test_clear_refusals(softhsm: SoftHsm, homes: dict[str, Keyed]) -> None:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    with pytest.raises(ConfigurationError, match="no PKCS#11 library"):
        Pkcs11Signer("/nowhere/lib.so", token_label="homes", pin=softhsm.pin)
    with pytest.raises(ConfigurationError, match="check its label and PIN") as caught:
        Pkcs11Signer(softhsm.library, token_label="homes", pin="9999", key_label="home001")
    assert "9999" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="'strangers' cannot be opened"):
        Pkcs11Signer(softhsm.library, token_label="strangers", pin=softhsm.pin)
    with pytest.raises(ConfigurationError, match="0 keys fit"):
        Pkcs11Signer(softhsm.library, token_label="homes", pin=softhsm.pin, key_label="home999")
    with pytest.raises(ConfigurationError, match="2 keys fit"):
        Pkcs11Signer(softhsm.library, token_label="homes", pin=softhsm.pin)
