# SPDX-License-Identifier: Apache-2.0
"""Signing with a key in a PKCS#11 token, by SoftHSM (Debian: softhsm2)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ConfigurationError, SigningError
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


def verified(keyed: Keyed, signer: Any, text: bytes = b"trade") -> bool:
    keyed.public_key.verify(signer.sign(keyed.identity.digest(text)), text, ec.ECDSA(hashes.SHA256()))
    return True


def signer_of(softhsm: SoftHsm, label: str, **changes: str) -> Any:
    from commonwatt_client.pkcs11 import Pkcs11Signer

    given = {"token_label": "homes", "pin": softhsm.pin, "key_label": label, **changes}
    return Pkcs11Signer(softhsm.library, **given)


def test_several_keys_of_a_token_share_its_login(softhsm: SoftHsm, homes: dict[str, Keyed]) -> None:
    first, second, again = (signer_of(softhsm, label) for label in ("home001", "home002", "home001"))
    with first, second, again:
        for signer, label in ((first, "home001"), (second, "home002"), (again, "home001")):
            assert verified(homes[label], signer)
        first.close()  # logs nobody else out
        first.close()
        assert verified(homes["home002"], second)
        assert verified(homes["home001"], again)
        with pytest.raises(SigningError, match="closed"):
            first.sign(bytes(32))
    with signer_of(softhsm, "home002") as later:
        assert verified(homes["home002"], later)


def test_several_keys_sign_in_several_threads(softhsm: SoftHsm, homes: dict[str, Keyed]) -> None:
    with (
        signer_of(softhsm, "home001") as first,
        signer_of(softhsm, "home002") as second,
        ThreadPoolExecutor(8) as threads,
    ):
        both = [(homes["home001"], first), (homes["home002"], second)]
        assert all(threads.map(lambda number: verified(*both[number % 2], b"%d" % number), range(100)))


def lose_session(softhsm: SoftHsm) -> None:
    """What becomes of every session when the token's daemon starts anew, or a card is pulled out and put back."""
    import pkcs11

    pkcs11.lib(softhsm.library).reinitialize()


def log_out_elsewhere(softhsm: SoftHsm) -> None:
    """Other code of the process logs out, and with it everybody."""
    import pkcs11

    token = pkcs11.lib(softhsm.library).get_token(token_label="homes")
    with pytest.raises(pkcs11.UserAlreadyLoggedIn):
        token.open(user_pin=softhsm.pin)
    from commonwatt_client import pkcs11 as ours

    (login,) = ours._logins.values()
    login._session.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # python-pkcs11's, of a lost search
@pytest.mark.parametrize("lose", [lose_session, log_out_elsewhere])
def test_a_lost_session_logs_in_again(softhsm: SoftHsm, homes: dict[str, Keyed], lose: Any) -> None:
    with signer_of(softhsm, "home001") as first, signer_of(softhsm, "home002") as second:
        for _ in range(2):
            lose(softhsm)
            assert verified(homes["home002"], second)
            assert verified(homes["home001"], first)
        lose(softhsm)
        with signer_of(softhsm, "home001") as third:
            assert verified(homes["home001"], third)


def test_closing_after_a_loss_is_silent(softhsm: SoftHsm, homes: dict[str, Keyed]) -> None:
    first, second = signer_of(softhsm, "home001"), signer_of(softhsm, "home002")
    lose_session(softhsm)
    first.close()
    assert verified(homes["home002"], second)
    lose_session(softhsm)
    second.close()
    second.close()


def test_a_token_that_is_gone_is_told_and_taken_when_it_is_back(
    softhsm: SoftHsm, homes: dict[str, Keyed], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tokens").mkdir()
    elsewhere = tmp_path / "softhsm2.conf"
    elsewhere.write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    signer = signer_of(softhsm, "home001")
    with monkeypatch.context() as away:
        away.setenv("SOFTHSM2_CONF", str(elsewhere))
        lose_session(softhsm)
        for _ in range(2):
            with pytest.raises(SigningError, match="NoSuchToken"):
                signer.sign(bytes(32))
    lose_session(softhsm)
    assert verified(homes["home001"], signer)
    signer.close()


def test_other_code_that_is_logged_in_is_no_hindrance(softhsm: SoftHsm, homes: dict[str, Keyed]) -> None:
    import pkcs11

    with pkcs11.lib(softhsm.library).get_token(token_label="homes").open(user_pin=softhsm.pin) as theirs:
        with signer_of(softhsm, "home001") as signer:
            assert verified(homes["home001"], signer)
        assert list(theirs.get_objects({pkcs11.Attribute.LABEL: "home001"}))


def test_a_pin_that_was_refused_is_not_tried_again(softhsm: SoftHsm, tmp_path: Path) -> None:
    """Tokens lock themselves after a few wrong PINs: a changed one is told, not tried for ever."""
    import pkcs11

    keyed = new_keyed()
    (tmp_path / "key").write_bytes(keyed.key_pem)
    softhsm.new_token("changing", {"home001": tmp_path / "key"})
    signer = signer_of(softhsm, "home001", token_label="changing")
    with pytest.raises(ConfigurationError, match="another PIN") as caught:
        signer_of(softhsm, "home001", token_label="changing", pin="8642")
    assert "8642" not in str(caught.value)
    lose_session(softhsm)
    token = pkcs11.lib(softhsm.library).get_token(token_label="changing")
    with token.open(rw=True, user_pin=softhsm.pin) as session:
        session.set_pin(softhsm.pin, "8642")
    for _ in range(2):
        with pytest.raises(SigningError, match="PinIncorrect"):
            signer.sign(bytes(32))
    with signer_of(softhsm, "home001", token_label="changing", pin="8642") as renewed:
        assert verified(keyed, renewed)
    signer.close()


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
