"""What the client offers is a promise: this list changes only on purpose."""

import inspect
import subprocess
import sys

import commonwatt_client
import commonwatt_client.sync
import pytest
from commonwatt_client import admin
from commonwatt_client.sync import admin as sync_admin

ASYNC = [
    "Block",
    "BlockAndPrivateData",
    "BlockTransaction",
    "ChaincodeEvent",
    "ChaincodeResponse",
    "Checkpoint",
    "ClientCertificate",
    "ClientError",
    "Commit",
    "CommitError",
    "CommitStatusError",
    "ConfigurationError",
    "Connection",
    "ConnectionClosedError",
    "Contract",
    "EndorseError",
    "ErrorDetail",
    "EvaluateError",
    "EventStream",
    "EventsError",
    "EventsRequest",
    "FileCheckpointer",
    "FilteredBlock",
    "FilteredTransaction",
    "Gateway",
    "GatewayError",
    "Identity",
    "InMemoryCheckpointer",
    "MalformedMessageError",
    "Network",
    "NoNetworkError",
    "Outcome",
    "Peer",
    "PrivateWrite",
    "Proposal",
    "ReconnectPolicy",
    "RetryPolicy",
    "Signer",
    "SigningError",
    "Status",
    "SubmitError",
    "SubmittedTransaction",
    "Timeouts",
    "Transaction",
    "UnreachableError",
    "ValidationCode",
    "connect",
    "connect_network_file",
    "connect_profile",
    "load_identity",
    "private_key_signer",
]

SYNC = [
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

ADMIN = [
    "APPLICATION",
    "CHANNEL",
    "ORDERER",
    "AdminError",
    "AlreadyDoneError",
    "ApprovedDefinition",
    "Authorities",
    "BatchSize",
    "Block",
    "ChainInfo",
    "ChaincodeConnection",
    "ChaincodeDefinition",
    "ChaincodePackage",
    "ChannelConfig",
    "ChannelExistsError",
    "ChannelInfo",
    "ChannelNotFoundError",
    "CollectionConfig",
    "CommitReadiness",
    "CommittedDefinition",
    "ConnectionFailedError",
    "Consenter",
    "DiscoveredConfig",
    "DiscoveredPeer",
    "Endorsers",
    "Flaw",
    "InstalledChaincode",
    "InvalidInputError",
    "NotAConsenterError",
    "NotFoundError",
    "NotReadyError",
    "OrdererAdmin",
    "OrderingClient",
    "Organization",
    "OutOf",
    "PeerAdmin",
    "Principal",
    "RefusedError",
    "SignaturePolicy",
    "TimedOutError",
    "Transaction",
    "UnexpectedAnswerError",
    "add_consenter",
    "add_organization",
    "assemble_update",
    "block_data_hash",
    "block_header_hash",
    "compute_update",
    "decode_block",
    "decode_transaction",
    "find_mistakes",
    "orderers_that_signed",
    "package_ccaas",
    "parse_signature_policy",
    "read_channel_config",
    "read_package",
    "remove_consenter",
    "remove_organization",
    "replace_consenter",
    "revoke_certificates",
    "set_anchor_peers",
    "set_batch",
    "set_capability",
    "set_orderer_endpoints",
    "sign_update",
    "signed_by",
    "verify_block",
    "verify_chain",
    "verify_signature",
    "verify_transaction",
    "wait_for_config",
]

SYNC_ADMIN = [
    "OrdererAdmin",
    "OrderingClient",
    "PeerAdmin",
    "assemble_update",
    "sign_update",
    "wait_for_config",
]

# Every method of Fabric's Gateway API (Node, 1.11) under its name in snake_case.
METHODS = {
    "Gateway": "identity get_network new_proposal new_signed_proposal new_transaction new_signed_transaction "
    "new_commit new_signed_commit new_chaincode_events_request new_signed_chaincode_events_request "
    "new_block_events_request new_signed_block_events_request new_filtered_block_events_request "
    "new_signed_filtered_block_events_request new_block_and_private_data_events_request "
    "new_signed_block_and_private_data_events_request close",
    "Network": "name get_contract chaincode_events new_chaincode_events_request block_events "
    "new_block_events_request filtered_block_events new_filtered_block_events_request "
    "block_and_private_data_events new_block_and_private_data_events_request",
    "Contract": "chaincode_name contract_name evaluate_transaction submit_transaction evaluate submit submit_async "
    "new_proposal",
    "Proposal": "to_bytes digest transaction_id evaluate endorse",
    "Transaction": "to_bytes digest transaction_id result submit",
    "Commit": "to_bytes digest transaction_id status",
    "SubmittedTransaction": "to_bytes digest transaction_id status result",
}


def test_async_names() -> None:
    assert sorted(commonwatt_client.__all__) == sorted(ASYNC)


def test_sync_names() -> None:
    assert sorted(commonwatt_client.sync.__all__) == sorted(SYNC)


def test_admin_names() -> None:
    assert sorted(admin.__all__) == sorted(ADMIN)
    assert sorted(sync_admin.__all__) == sorted(SYNC_ADMIN)


@pytest.mark.parametrize("package", [commonwatt_client, commonwatt_client.sync])
@pytest.mark.parametrize("name", METHODS)
def test_gateway_api_is_complete(package: object, name: str) -> None:
    missing = [method for method in METHODS[name].split() if not hasattr(getattr(package, name), method)]
    assert not missing


@pytest.mark.parametrize("package", [commonwatt_client, commonwatt_client.sync])
@pytest.mark.parametrize("name", METHODS)
def test_every_call_takes_a_timeout(package: object, name: str) -> None:
    """Of every method that waits for a peer."""
    waits = {"evaluate", "submit", "endorse", "status", "events"}
    for method in METHODS[name].split():
        if method.startswith("new_") or not waits & set(method.split("_")):
            continue
        parameters = inspect.signature(getattr(getattr(package, name), method)).parameters
        assert any(parameter.endswith("timeout_s") for parameter in parameters), method


@pytest.mark.parametrize("package", [commonwatt_client, commonwatt_client.sync, admin, sync_admin])
def test_every_public_name_is_documented(package: object) -> None:
    undocumented = [
        f"{name}.{member}"
        for name in package.__all__  # type: ignore[attr-defined]
        for member, value in [
            ("", getattr(package, name)),
            *getattr(getattr(package, name), "__dict__", {}).items(),
        ]
        if (
            not member.startswith("_")
            and (callable(value) or isinstance(value, property))
            and not value.__doc__
        )
        and not isinstance(value, type(getattr(package, "ValidationCode", None)))
    ]
    assert undocumented == []


def test_import_needs_no_event_loop_and_no_pkcs11() -> None:
    code = "import sys, commonwatt_client, commonwatt_client.sync; sys.exit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60).returncode == 0
