"""Administration without `await`: the names, arguments, results and errors of `commonwatt_client.admin`.

::

    from commonwatt_client.sync.admin import PeerAdmin

    with PeerAdmin("127.0.0.1:7051", identity=identity, signer=signer, tls_ca=tls_ca) as peer:
        print(peer.get_chain_info("newtown").height)

Everything else of `commonwatt_client.admin` (values, edits of a configuration, packages, checks) does no I/O and is
used as it is.
"""

from commonwatt_client.sync.admin.config_update import assemble_update, sign_update, wait_for_config
from commonwatt_client.sync.admin.ordering import OrderingClient
from commonwatt_client.sync.admin.participation import OrdererAdmin
from commonwatt_client.sync.admin.peer import PeerAdmin

__all__ = [
    "OrdererAdmin",
    "OrderingClient",
    "PeerAdmin",
    "assemble_update",
    "sign_update",
    "wait_for_config",
]
