# SPDX-License-Identifier: Apache-2.0
"""Who may do what: roles and ownership as the certificate's attributes state them."""

from dataclasses import dataclass

from ..ledger import Home, decode, home_key
from ..shim import ClientIdentity, Stub
from .refusals import Code, refuse

OPERATOR = "operator"
GRID = "grid"
HOME = "home"
METER = "meter"
ROLES = (OPERATOR, GRID, HOME, METER)


def require_member(stub: Stub) -> ClientIdentity:
    """Anyone of the channel with a role of the market."""
    caller = stub.creator
    if caller.attribute("role") not in ROLES:
        raise refuse(Code.FORBIDDEN, "the caller's certificate states no role of this market")
    return caller


def require_role(stub: Stub, *roles: str) -> ClientIdentity:
    """A caller with one of these roles."""
    caller = stub.creator
    if caller.attribute("role") not in roles:
        raise refuse(Code.FORBIDDEN, f"{stub.function} takes the role {' or '.join(roles)}")
    return caller


def require_operator(stub: Stub, community_mspid: str) -> ClientIdentity:
    """The operator of this very community."""
    caller = require_role(stub, OPERATOR)
    if caller.mspid != community_mspid:
        raise refuse(Code.FORBIDDEN, f"the operator of {caller.mspid} does not run this community")
    return caller


def require_home(stub: Stub, home: Home, *roles: str) -> ClientIdentity:
    """The home itself, or (with role ``meter`` allowed) its meter: nobody else speaks for it."""
    caller = require_role(stub, *roles)
    if not speaks_for(caller, home):
        raise refuse(Code.NOT_YOUR_METER, f"the caller's certificate does not speak for {home.home}")
    return caller


def speaks_for(caller: ClientIdentity, home: Home) -> bool:
    """Whether the caller's organisation and home are those of the registration; a home's identity may be one alone."""
    if caller.mspid != home.mspid or caller.attribute("home.id") != home.home:
        return False
    return caller.attribute("role") == METER or home.owner in ("", caller.id)


def require_own_or_overseer(stub: Stub, home: Home, community_mspid: str) -> None:
    """The home itself, the community's operator, or the grid: others may not read a home's records."""
    caller = require_member(stub)
    if not sees_all(caller, community_mspid) and not speaks_for(caller, home):
        raise refuse(Code.NOT_YOUR_METER, f"the records of {home.home} are its own")


@dataclass(frozen=True)
class View:
    """What a caller may see of rounds that are closed: everything, or the lines of one home, or of none."""

    everything: bool
    home: str | None = None

    def shows(self, *homes: str) -> bool:
        """Whether a line of these homes is for the caller's eyes."""
        return self.everything or self.home in homes


async def view_of(stub: Stub, community_mspid: str) -> View:
    """The caller's view: all for the community's operator and the grid, else that of the home it speaks for."""
    caller = require_member(stub)
    if sees_all(caller, community_mspid):
        return View(everything=True)
    name = caller.attribute("home.id")
    value = await stub.get_state(home_key(name)) if name else None
    if value is None or not speaks_for(caller, decode(Home, value)):
        return View(everything=False)
    return View(everything=False, home=name)


def sees_all(caller: ClientIdentity, community_mspid: str) -> bool:
    """Whether the caller is the community's operator or the grid."""
    role = caller.attribute("role")
    return role == GRID or (role == OPERATOR and caller.mspid == community_mspid)
