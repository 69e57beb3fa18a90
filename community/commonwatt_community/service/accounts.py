# SPDX-License-Identifier: Apache-2.0
"""Accounts of residents and operators: made by an invitation, entered by a passphrase and, if there is one, a code."""

from dataclasses import dataclass

from .caller import Role
from .clock import now_s
from .invitations import Invitation, Invitations
from .passphrases import Passphrases, step_of
from .problems import Problem
from .store import Store

NAME = r"^[A-Za-z0-9._@+-]{1,64}$"


@dataclass(frozen=True)
class Account:
    """A person's account; an operator's names no home."""

    name: str
    role: Role
    home: str
    has_totp: bool


@dataclass(frozen=True)
class First:
    """A new account: its name, by default the home's or operator's, its passphrase and its second factor."""

    invitation: str
    name: str | None
    passphrase: str
    totp_secret: str | None
    totp: str | None


async def made(store: Store, invitations: Invitations, passphrases: Passphrases, first: First) -> Account:
    """A new account. Problem for an invitation that was used, a name that is taken, or a factor that is wrong."""
    invitation = invitations.read(first.invitation)
    if _is_used(store, invitation):
        raise _used()
    if invitation.role is Role.OPERATOR and first.totp_secret is None:
        raise Problem(
            "totp_required", "an operator's account needs a second factor: ask POST /totp for a seed"
        )
    step = _step(first.totp_secret, first.totp)
    name = first.name or invitation.subject
    if store.one("SELECT 1 FROM accounts WHERE name = ?", name) is not None:
        raise Problem("name_taken", "another account has this name: choose another one")
    kept = await passphrases.hashed(first.passphrase)
    home = invitation.subject if invitation.role is Role.RESIDENT else ""
    used, added = await store.write(
        (
            "INSERT INTO invitations VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (invitation.hash, invitation.role, home, invitation.expires_s, now_s()),
        ),
        (
            "INSERT INTO accounts SELECT ?, ?, ?, ?, ?, ?, ? WHERE changes() = 1 ON CONFLICT DO NOTHING",
            (name, invitation.role, home, kept, first.totp_secret, step, now_s()),
        ),
    )
    if not used:
        raise _used()
    if not added:
        raise Problem(
            "name_taken", "another account has this name: ask for a new invitation and another name"
        )
    return Account(name, invitation.role, home, first.totp_secret is not None)


async def entered(
    store: Store, passphrases: Passphrases, name: str, passphrase: str, totp: str | None
) -> Account:
    """The account of this name. Problem, the same for an unknown name as for a wrong passphrase."""
    row = store.one("SELECT * FROM accounts WHERE name = ?", name)
    if not await passphrases.matches(row["passphrase"] if row else None, passphrase) or row is None:
        raise Problem("bad_credentials", "name, passphrase or code are wrong")
    if row["totp_secret"] is not None:
        if totp is None:
            raise Problem("totp_required", "the account has a second factor: send its code, too")
        step = step_of(row["totp_secret"], totp, row["totp_step"])
        advance = "UPDATE accounts SET totp_step = ? WHERE name = ? AND totp_step < ?"
        if step is None or not sum(await store.write((advance, (step, name, step)))):
            raise Problem("bad_credentials", "name, passphrase or code are wrong")
    return Account(name, Role(row["role"]), row["home"], row["totp_secret"] is not None)


async def changed_factor(
    store: Store,
    passphrases: Passphrases,
    name: str,
    passphrase: str,
    secret: str | None,
    totp: str | None,
) -> bool:
    """Set or drop an account's second factor; whether it has one now."""
    row = store.one("SELECT * FROM accounts WHERE name = ?", name)
    if row is None or not await passphrases.matches(row["passphrase"], passphrase):
        raise Problem("bad_credentials", "the passphrase is wrong")
    if secret is None and row["role"] == Role.OPERATOR:
        raise Problem("totp_required", "an operator's account must keep its second factor")
    change = "UPDATE accounts SET totp_secret = ?, totp_step = ? WHERE name = ?"
    await store.write((change, (secret, _step(secret, totp), name)))
    return secret is not None


def _step(secret: str | None, totp: str | None) -> int:
    """The step of a new factor's first code; 0 without a factor."""
    if secret is None:
        return 0
    try:
        step = step_of(secret, totp or "", 0)
    except ValueError as error:
        raise Problem("bad_totp_secret", "POST /totp gives no such seed") from error
    if step is None:
        raise Problem(
            "bad_code", "the code does not belong to this seed: set the clock of the authenticator right"
        )
    return step


def _is_used(store: Store, invitation: Invitation) -> bool:
    return store.one("SELECT 1 FROM invitations WHERE hash = ?", invitation.hash) is not None


def _used() -> Problem:
    return Problem(
        "invitation_used", "the invitation was used: log in by name, or ask your operator for a new one"
    )
