# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and who sees what: roles and ownership as the certificate's attributes state them."""

from ..shim import ClientIdentity, Stub
from .records import Configuration, Home
from .refusals import Code, refuse

OPERATOR, GRID, HOME, METER, CARRIER = "operator", "grid", "home", "meter", "carrier"
MEMBERS = (OPERATOR, GRID, HOME, METER)
ROLES = (*MEMBERS, CARRIER)


def require_role(stub: Stub, *roles: str) -> ClientIdentity:
    """A caller with one of these roles."""
    caller = stub.creator
    if caller.attribute("role") not in roles:
        raise refuse(Code.FORBIDDEN, f"{stub.function} takes the role {' or '.join(roles)}")
    return caller


def require_member(stub: Stub) -> ClientIdentity:
    """A home, a meter, an operator or the grid: everybody but carriers, who pass messages on and read."""
    return require_role(stub, *MEMBERS)


def require_any_role(stub: Stub) -> ClientIdentity:
    """Anybody with a role of this market."""
    return require_role(stub, *ROLES)


def require_operator(stub: Stub, configuration: Configuration) -> ClientIdentity:
    """The operator of this very community."""
    caller = require_role(stub, OPERATOR)
    if not is_operator(caller, configuration):
        raise refuse(Code.FORBIDDEN, f"the operator of {caller.mspid[:80]} does not run this community")
    return caller


def require_grid(stub: Stub, configuration: Configuration) -> ClientIdentity:
    """An identity of the grid: never one that the community issued to itself."""
    caller = require_role(stub, GRID)
    if not is_grid(caller, configuration):
        raise refuse(Code.FORBIDDEN, "an identity of the community's own organisation is not the grid")
    return caller


def require_operator_or_grid(stub: Stub, configuration: Configuration) -> ClientIdentity:
    """The community's operator, or the grid."""
    caller = require_role(stub, OPERATOR, GRID)
    return (require_operator if caller.attribute("role") == OPERATOR else require_grid)(stub, configuration)


def is_operator(caller: ClientIdentity, configuration: Configuration) -> bool:
    """Whether the caller is the community's operator."""
    return caller.attribute("role") == OPERATOR and caller.mspid == configuration.mspid


def is_grid(caller: ClientIdentity, configuration: Configuration) -> bool:
    """Whether the caller is the grid."""
    return caller.attribute("role") == GRID and caller.mspid != configuration.mspid


def sees_all(caller: ClientIdentity, configuration: Configuration) -> bool:
    """Whether the caller reads every home's records: the community's operator, the grid, a carrier."""
    return (
        is_operator(caller, configuration)
        or is_grid(caller, configuration)
        or caller.attribute("role") == CARRIER
    )


def require_sees_all(stub: Stub, configuration: Configuration) -> ClientIdentity:
    """A caller who reads every home's records."""
    caller = require_any_role(stub)
    if not sees_all(caller, configuration):
        raise refuse(Code.NOT_YOURS, f"{stub.function} of all homes is for operator, grid and carriers")
    return caller


def speaks_for(caller: ClientIdentity, home: Home) -> bool:
    """Whether the caller is the home or its meter; a registration may name one identity that reads for the home."""
    role = caller.attribute("role")
    if caller.mspid != home.mspid or caller.attribute("home.id") != home.home:
        return False
    return role == METER or (role == HOME and home.owner in ("", caller.id))


def require_reader(stub: Stub, configuration: Configuration, home: Home) -> ClientIdentity:
    """The home itself, its meter, or a caller who reads every home's records."""
    caller = require_any_role(stub)
    if not sees_all(caller, configuration) and not speaks_for(caller, home):
        raise refuse(Code.NOT_YOURS, f"the records of {home.home} are its own")
    return caller
