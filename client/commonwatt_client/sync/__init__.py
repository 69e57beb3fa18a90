"""The same client without `await`: for plain scripts, notebooks (whatever loop runs there) and threads.

::

    from commonwatt_client.sync import connect_network_file

    with connect_network_file(".commonwatt/network.json", "newtown", "operator") as gateway:
        market = gateway.get_network("newtown").get_contract("market")
        print(market.submit_transaction("open_round", '{"minute": 600}'))

Values, errors, identities, signers and policies are those of `commonwatt_client`. A gateway and what it gives may be
used by several threads at once; one event stream by one thread, while any other may close it.
"""

from commonwatt_client.sync._threads import Connection
from commonwatt_client.sync.connecting import connect_network_file, connect_profile
from commonwatt_client.sync.contract import Contract
from commonwatt_client.sync.events import EventsRequest, EventStream
from commonwatt_client.sync.gateway import Gateway, connect
from commonwatt_client.sync.network import Network
from commonwatt_client.sync.transaction import Commit, Proposal, SubmittedTransaction, Transaction

__all__ = [
    "Commit",
    "Connection",
    "Contract",
    "EventStream",
    "EventsRequest",
    "Gateway",
    "Network",
    "Proposal",
    "SubmittedTransaction",
    "Transaction",
    "connect",
    "connect_network_file",
    "connect_profile",
]
