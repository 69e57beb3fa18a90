# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/admin/configuration/update.py: change that file.
"""What `commonwatt_client.admin.configuration.update` does, without `await`."""

from collections.abc import Callable, Iterable

from commonwatt_client.admin.configuration import update as original
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.signers import Signer
from commonwatt_client.sync._background import awaited, run


def sign_update(update: bytes, identity: Identity, signer: Signer) -> bytes:
    """One organisation's ``common.ConfigSignature`` over a ``common.ConfigUpdate``.

    ::

        signature = sign_update(update, identity, signer)
        print(signed_by(signature).mspid)
    """
    return run(original.sign_update(update, identity, signer))


def assemble_update(update: bytes, signatures: Iterable[bytes], identity: Identity, signer: Signer) -> bytes:
    """The signed ``common.Envelope`` to submit, by Broadcast or over REST.

    identity: who submits. Orderers count the signatures on the update alone, not the envelope's, so the
    submitter's is added to them unless it is there; a lone signer gives none in `signatures`.

    ::

        signature = sign_update(update, identity, signer)  # and those of other organisations
        envelope = assemble_update(update, [signature], identity, signer)
    """
    return run(original.assemble_update(update, signatures, identity, signer))


def wait_for_config(
    fetch: Callable[[], ChannelConfig], reached: Callable[[ChannelConfig], bool], *, timeout_s: float = 30.0
) -> ChannelConfig:
    """Ask for the configuration until it is as wanted, for example ``lambda config: config.sequence > 3``.

    Accepted updates are only ordered: another may come first, and then Fabric drops yours and says nothing.
    So wait for the very change, not for a sequence alone, where others may be updating too.

    ::

        wait_for_config(lambda: peer.fetch_config("newtown"), lambda config: config.batch_timeout_s < 60)
    """
    return run(original.wait_for_config(awaited(fetch), reached, timeout_s=timeout_s))
