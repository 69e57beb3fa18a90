# SPDX-License-Identifier: Apache-2.0
"""Signing with a key that never leaves a PKCS#11 token (an HSM, a secure element, SoftHSM).

Needs the extra: `pip install commonwatt-client[pkcs11]`.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable
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

    Signers of several keys of one token share its login. If a session is lost (the token was pulled out, or its
    library started anew), the next signature opens it again. A token answers one call at a time; several threads
    may share the signer. Raises ConfigurationError where library, token, PIN or key don't fit, SigningError where the
    token fails later.
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
        if not Path(library).exists():
            raise ConfigurationError(f"there is no PKCS#11 library {library}; SoftHSM's is libsofthsm2.so")
        self._wanted: dict[Any, Any] = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: KeyType.EC,
        }
        if key_label is not None:
            self._wanted[Attribute.LABEL] = key_label
        if key_id is not None:
            self._wanted[Attribute.ID] = key_id
        self._key: Any = None
        self._found_in: Any = None
        self._closed = False
        try:
            self._login = _acquire(str(library), token_label, pin)
        except pkcs11.PKCS11Error as error:
            raise ConfigurationError(
                f"the PKCS#11 token {token_label!r} cannot be opened: {_said(error)}; check its label and PIN"
            ) from error
        try:
            with self._login.lock:
                parameters = self._login.retrying(lambda session: self._find(session)[Attribute.EC_PARAMS])
                self._order = CURVE_ORDERS[_CURVE_SIZES[bytes(parameters)]]
        except (pkcs11.PKCS11Error, KeyError) as error:
            self.close()
            raise ConfigurationError(
                f"the token {token_label!r} has no P-256 or P-384 private key "
                f"{key_label or (key_id or b'').hex()!r}: {_said(error)}"
            ) from error

    def _find(self, session: Any) -> Any:
        """The key, looked for once in each session."""
        if session is not self._found_in:
            keys = list(session.get_objects(self._wanted))
            if len(keys) != 1:
                raise KeyError(f"{len(keys)} keys fit")
            self._key, self._found_in = keys[0], session
        return self._key

    def sign(self, digest: bytes, /) -> bytes:
        """A signature of a SHA-256 digest, made by the token."""
        try:
            with self._login.lock:
                if self._closed:
                    raise SigningError("this PKCS#11 signer is closed; make another")
                raw: bytes = self._login.retrying(
                    lambda session: self._find(session).sign(digest, mechanism=Mechanism.ECDSA)
                )
        except (pkcs11.PKCS11Error, KeyError) as error:
            raise SigningError(
                f"the PKCS#11 token failed: {_said(error)}; is it still there, with the same PIN?"
            ) from error
        half = len(raw) // 2
        r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        return low_s_signature(r, s, self._order)

    def close(self) -> None:
        """Sign no more; the last signer of a token logs out. Nothing fails where the token is gone already."""
        with self._login.lock:
            if self._closed:
                return
            self._closed = True
        _release(self._login)

    def __enter__(self) -> "Pkcs11Signer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Login:
    """A token's session. PKCS#11 knows one login for each token of a process: its signers share it.

    The PIN is kept to log in again. Use it with `lock` held, which all tokens of a library share: libraries that are
    told nothing of threads may take one call at a time.
    """

    def __init__(self, library: str, token_label: str, pin: str, lock: Lock) -> None:
        self.lock = lock
        self.pin = pin
        self.signers = 0
        self.refused: pkcs11.PKCS11Error | None = None
        self._library = library
        self._token_label = token_label
        self._session: Any = None

    def open(self) -> None:
        """Log in. Raises PKCS11Error; a PIN that was refused is not tried again, for tokens lock themselves."""
        if self.refused is not None:
            raise self.refused
        token = pkcs11.lib(self._library).get_token(token_label=self._token_label)
        try:
            self._session = token.open(user_pin=self.pin)
        except pkcs11.UserAlreadyLoggedIn:  # by other code of this process
            self._session = token.open()
        except (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.PinInvalid) as error:
            self.refused = error
            raise

    def retrying(self, operation: Callable[[Any], Any]) -> Any:
        """What `operation(session)` gives; where it fails, once more after a new login. Raises PKCS11Error."""
        if self._session is not None:
            try:
                return operation(self._session)
            except pkcs11.PKCS11Error:
                self.close()
        self.open()
        return operation(self._session)

    def close(self) -> None:
        """Log out, if there is still something to log out of."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(pkcs11.PKCS11Error):
                session.close()


_logins: dict[tuple[Path, str], _Login] = {}
_library_locks: defaultdict[Path, Lock] = defaultdict(Lock)
_logins_lock = Lock()


def _acquire(library: str, token_label: str, pin: str) -> _Login:
    """The process' login to a token, for one more signer. Raises PKCS11Error, also for another PIN than the login's."""
    path = Path(library).resolve()
    with _logins_lock:
        login = _logins.get((path, token_label))
        if login is None or login.refused is not None:
            login = _Login(library, token_label, pin, _library_locks[path])
            with login.lock:
                login.open()
            _logins[path, token_label] = login
        elif login.pin != pin:
            raise pkcs11.PinIncorrect("this process is logged in with another PIN")
        login.signers += 1
        return login


def _release(login: _Login) -> None:
    with _logins_lock:
        login.signers -= 1
        if login.signers:
            return
        for key in [key for key, known in _logins.items() if known is login]:
            del _logins[key]
        with login.lock:
            login.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
