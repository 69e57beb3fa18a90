# SPDX-License-Identifier: Apache-2.0
"""Every reason for which a message is refused; the codes are stable, the sentences are for people."""

from enum import StrEnum


class MessageCode(StrEnum):
    """What programs may rely on. ``docs/messages.md`` says when each is answered."""

    TOO_LARGE = "too_large"
    BAD_FORM = "bad_form"
    BAD_HEADER = "bad_header"
    BAD_ALG = "bad_alg"
    BAD_TYP = "bad_typ"
    BAD_PAYLOAD = "bad_payload"
    BAD_FIELD = "bad_field"
    BAD_KEY = "bad_key"
    WRONG_TYP = "wrong_typ"
    WRONG_NET = "wrong_net"
    WRONG_CHANNEL = "wrong_channel"
    WRONG_KEY = "wrong_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_HOME = "wrong_home"
    WRONG_AUTHOR = "wrong_author"
    WRONG_VERSION = "wrong_version"
    UNKNOWN_KEY = "unknown_key"
    KEY_NOT_IN_FORCE = "key_not_in_force"
    KEY_RECOVERED = "key_recovered"
    KEY_USED = "key_used"
    ROTATED_TODAY = "rotated_today"
    RECOVERY_PROPOSED = "recovery_proposed"
    NO_RECOVERY = "no_recovery"


class MessageRefused(Exception):
    """A message does not count; ``code`` is a stable word for programs, ``sentence`` is for people."""

    def __init__(self, code: MessageCode, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"
