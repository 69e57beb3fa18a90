"""Signing with a key that never leaves a PKCS#11 token (an HSM, a secure element, SoftHSM).

Needs the extra: `pip install commonwatt-client[pkcs11]`.
"""

from os import PathLike
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from commonwatt_client.errors import ConfigurationError, SigningError
from commonwatt_client.signers import CURVE_ORDERS, low_s_signature

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
except ImportError as error:
    raise ImportError(
        "signing with PKCS#11 needs its extra: pip install 'commonwatt-client[pkcs11]'"
    ) from error

# DER of the curves' object identifiers, as tokens store them (CKA_EC_PARAMS).
_CURVE_SIZES = {bytes.fromhex("06082a8648ce3d030107"): 256, bytes.fromhex("06052b81040022"): 384}


class Pkcs11Signer:
    """A signer whose P-256 or P-384 private key stays in a token; used with `with`, or closed with `close()`.

    Raises ConfigurationError where library, token, PIN or key don't fit, SigningError where the token fails later.
    A token answers one call at a time; several threads may share the signer.
    """

    def __init__(
        self,
        library: str | PathLike[str],
        *,
        token_label: str,
        pin: str,
        key_label: str | None = None,
        key_id: bytes | None = None,
    ) -> None:
        self._lock = Lock()
        if not Path(library).exists():
            raise ConfigurationError(f"there is no PKCS#11 library {library}; SoftHSM's is libsofthsm2.so")
        try:
            token = pkcs11.lib(str(library)).get_token(token_label=token_label)
            self._session: Any = token.open(user_pin=pin)
        except pkcs11.PKCS11Error as error:
            raise ConfigurationError(
                f"the PKCS#11 token {token_label!r} cannot be opened: {_said(error)}; check its label and PIN"
            ) from error
        try:
            self._key = self._find(key_label, key_id)
            self._order = CURVE_ORDERS[_CURVE_SIZES[bytes(self._key[Attribute.EC_PARAMS])]]
        except (pkcs11.PKCS11Error, KeyError) as error:
            self._session.close()
            raise ConfigurationError(
                f"the token {token_label!r} has no P-256 or P-384 private key "
                f"{key_label or (key_id or b'').hex()!r}: {_said(error)}"
            ) from error

    def _find(self, key_label: str | None, key_id: bytes | None) -> Any:
        wanted: dict[Any, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.EC}
        if key_label is not None:
            wanted[Attribute.LABEL] = key_label
        if key_id is not None:
            wanted[Attribute.ID] = key_id
        keys = list(self._session.get_objects(wanted))
        if len(keys) != 1:
            raise KeyError(f"{len(keys)} keys fit")
        return keys[0]

    def sign(self, digest: bytes, /) -> bytes:
        """A signature of a SHA-256 digest, made by the token."""
        try:
            with self._lock:
                raw = self._key.sign(digest, mechanism=Mechanism.ECDSA)
        except pkcs11.PKCS11Error as error:
            raise SigningError(
                f"the PKCS#11 token failed: {_said(error)}; is it still there and logged in?"
            ) from error
        half = len(raw) // 2
        r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        return low_s_signature(r, s, self._order)

    def close(self) -> None:
        """Log out of the token."""
        with self._lock:
            self._session.close()

    def __enter__(self) -> "Pkcs11Signer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
