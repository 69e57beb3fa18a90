# SPDX-License-Identifier: Apache-2.0
"""What each code of Fabric means and what to do next: the texts of errors and of `commonwatt explain CODE`."""

from dataclasses import dataclass

from commonwatt_client.ledger.validation import ValidationCode


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code's meaning and what to do about it.

    Attributes:
        name: the code, such as MVCC_READ_CONFLICT.
        number: its TxValidationCode, or None where it is a failure before any block.
        meaning: what happened.
        next_step: what to do.
    """

    name: str
    number: int | None
    meaning: str
    next_step: str

    def __str__(self) -> str:
        kind = "a failure before any block" if self.number is None else f"TxValidationCode {self.number}"
        return f"{self.name} ({kind})\n{self.meaning}\nNext: {self.next_step}"


_REPORT = (
    "Compare the versions of client and peers; if they match, report it with transaction id and peer's log."
)
_REBUILD = (
    "Build the transaction with `new_proposal` ... `endorse()` ... `submit()` and send its bytes unchanged; "
    "a proxy or a home-made signer that alters them is the usual cause."
)
_UPGRADE_BETWEEN = (
    "Endorse the transaction anew; the chaincode definition was upgraded between endorsement and commit."
)

_CODES: dict[ValidationCode, tuple[str, str]] = {
    ValidationCode.VALID: (
        "The transaction is in a block and its writes took effect.",
        "Nothing; it is done.",
    ),
    ValidationCode.NIL_ENVELOPE: ("The block holds an empty envelope instead of a transaction.", _REPORT),
    ValidationCode.BAD_PAYLOAD: ("The envelope's payload is missing or cannot be parsed.", _REBUILD),
    ValidationCode.BAD_COMMON_HEADER: (
        "The header is missing, or names an unknown type, an epoch other than 0, or no creator or nonce.",
        _REBUILD,
    ),
    ValidationCode.BAD_CREATOR_SIGNATURE: (
        "The submitting client's signature of the envelope doesn't verify, or its certificate isn't valid here.",
        "Sign the transaction with the key of the certificate that made the proposal; check that the certificate has "
        "neither expired nor been revoked, and that ECDSA signatures are low-S.",
    ),
    ValidationCode.INVALID_ENDORSER_TRANSACTION: (
        "The endorsed transaction's own structure is wrong: its headers disagree, or it isn't exactly one action.",
        _REBUILD,
    ),
    ValidationCode.INVALID_CONFIG_TRANSACTION: (
        "The channel configuration in the block could not be applied by this peer.",
        "Read the peer's log for the configuration error; compute the update anew from the present block.",
    ),
    ValidationCode.UNSUPPORTED_TX_PAYLOAD: (
        "The transaction is of a kind this channel's capabilities don't allow.",
        "Raise the channel's application capability with a configuration update, or send a transaction it allows.",
    ),
    ValidationCode.BAD_PROPOSAL_TXID: (
        "The transaction id isn't the SHA-256 of nonce and creator.",
        "Let the client build the proposal; a nonce or certificate exchanged after that changes the id.",
    ),
    ValidationCode.DUPLICATE_TXID: (
        "A transaction with this id was committed earlier; this copy changed nothing.",
        "Ask the commit status of the transaction id: the first copy's outcome is the one that counts. "
        "For a new transaction build a new proposal.",
    ),
    ValidationCode.ENDORSEMENT_POLICY_FAILURE: (
        "The endorsements don't satisfy the chaincode's endorsement policy, a collection's, or a key's own.",
        "Leave `endorsing_organizations` out, so that the gateway chooses the endorsers, or name every organisation "
        "the policy asks for; check the definition's policy with `query_committed_chaincode_definition`.",
    ),
    ValidationCode.MVCC_READ_CONFLICT: (
        "A key that the transaction read was changed by another one between its endorsement and its commit.",
        "Submit it anew (`retry=True` does, with jitter). If it happens often, write each item under its own key "
        "instead of rewriting one that many transactions read.",
    ),
    ValidationCode.PHANTOM_READ_CONFLICT: (
        "A range that the transaction read gained, lost or changed a key between its endorsement and its commit.",
        "Submit it anew (`retry=True` does, with jitter). If it happens often, read narrower ranges, or read ranges "
        "only in transactions that run when nobody writes to them.",
    ),
    ValidationCode.UNKNOWN_TX_TYPE: ("The header names a transaction type this peer doesn't know.", _REPORT),
    ValidationCode.TARGET_CHAIN_NOT_FOUND: (
        "The header names another channel than the one the block belongs to, or one the peer hasn't joined.",
        "Submit the transaction to the channel its proposal names.",
    ),
    ValidationCode.MARSHAL_TX_ERROR: ("The peer could not serialise the transaction to check it.", _REPORT),
    ValidationCode.NIL_TXACTION: ("The transaction holds no action.", _REBUILD),
    ValidationCode.EXPIRED_CHAINCODE: (
        "The chaincode's definition changed after the transaction was endorsed.",
        _UPGRADE_BETWEEN,
    ),
    ValidationCode.CHAINCODE_VERSION_CONFLICT: (
        "The transaction was endorsed for another version of the chaincode than the channel has.",
        _UPGRADE_BETWEEN,
    ),
    ValidationCode.BAD_HEADER_EXTENSION: (
        "The header's chaincode extension is missing or cannot be parsed.",
        _REBUILD,
    ),
    ValidationCode.BAD_CHANNEL_HEADER: ("The channel header is missing or cannot be parsed.", _REBUILD),
    ValidationCode.BAD_RESPONSE_PAYLOAD: (
        "The endorsed proposal response cannot be parsed, or names another chaincode than the proposal.",
        _REBUILD,
    ),
    ValidationCode.BAD_RWSET: ("The endorsed read-write set cannot be parsed.", _REPORT),
    ValidationCode.ILLEGAL_WRITESET: (
        "The chaincode wrote where it may not: to a system chaincode's namespace, or to another one's.",
        "Change the chaincode to write to its own namespace only; call the other chaincode instead.",
    ),
    ValidationCode.INVALID_WRITESET: (
        "The write set holds a key or value the state database cannot store (CouchDB: a key that isn't UTF-8, or "
        "starts with an underscore).",
        "Change the chaincode's keys to UTF-8 text without a leading underscore.",
    ),
    ValidationCode.INVALID_CHAINCODE: (
        "The chaincode's name or version in the transaction is empty or not allowed.",
        "Check the chaincode name given to `get_contract`.",
    ),
    ValidationCode.NOT_VALIDATED: (
        "The peer hasn't validated the transaction yet.",
        "Ask again in a moment; if it stays so, read the peer's log.",
    ),
    ValidationCode.INVALID_OTHER_REASON: (
        "The peer refused the transaction for a reason of its own.",
        "Read the peer's log at the block's number.",
    ),
}

_BEFORE_A_BLOCK: dict[str, tuple[str, str]] = {
    "TOO_MANY_REQUESTS": (
        "The peer has as many concurrent gateway calls as it allows (peer.limits.concurrency.gatewayService, 500 by "
        "default). Fabric reports it with gRPC status UNKNOWN.",
        "Keep fewer transactions in flight, raise the limit in the peer's core.yaml, or pass `retry=True`.",
    ),
    "PEER_UNREACHABLE": (
        "No connection to the peer: it is down, its address is wrong, or its TLS certificate isn't the expected one.",
        "See that it runs (`commonwatt network status`), that address and port are right, and that `tls_ca_cert` and "
        "`tls_server_name` belong to it; give further peers so that the next one is used.",
    ),
    "ENDORSER_UNREACHABLE": (
        "The gateway peer could not reach a peer of another organisation whose endorsement is needed.",
        "See that this organisation's peer runs; `retry=True` asks again while it comes back.",
    ),
    "ORDERER_UNAVAILABLE": (
        "No orderer took the transaction: there is no leader, or too few orderers run. It may have been ordered all "
        "the same.",
        "Ask the commit status of the transaction id before anything else, or pass `retry=True`; see that the "
        "orderers run.",
    ),
    "ORDERER_NOT_JOINED": (
        "The peer handed the transaction to an orderer that the channel lists but that has yet to join it, as one that "
        "is being added. It was not ordered.",
        "Submit it again: another orderer will be picked; `retry=True` does so. See that the new orderer joins.",
    ),
    "DEADLINE_EXCEEDED": (
        "The answer didn't come within the timeout.",
        "Give a longer `timeout_s`. After a submit the transaction may still commit: ask its commit status.",
    ),
    "NO_ENDORSERS": (
        "No combination of peers known to the gateway can satisfy the endorsement policy.",
        "Check the chaincode's name and that its definition is committed on this channel; see that a peer of each "
        "organisation the policy asks for runs with the chaincode installed. In the first seconds after a start, "
        "and for a moment after a broken connection, peers don't know each other: `retry=True` asks again.",
    ),
    "ENDORSEMENTS_DIFFER": (
        "Endorsing peers computed different results from the same proposal.",
        "If it passes, one peer was a block behind: `retry=True` asks again. If it stays, the chaincode isn't "
        "deterministic: look for clocks, random numbers, floats and unordered maps in it.",
    ),
    "NOT_DETERMINISTIC": (
        "The determinism guard ran the chaincode twice on one peer, and the two runs differ.",
        "Read in its message in what they differ; look for clocks, random numbers, floats and unordered maps there.",
    ),
    "MESSAGE_TOO_LARGE": (
        "A message, or what its headers carry, is larger than the side that received it takes (100 MB, 16 MB of "
        "headers).",
        "Send or ask for less in one transaction: split its arguments, or read large results in pages.",
    ),
    "CHAINCODE_REFUSED": (
        "The chaincode answered with an error of its own.",
        "Read its message: the call's arguments, or the caller's rights, don't fit the state of the ledger.",
    ),
    "CHAINCODE_UNAVAILABLE": (
        "The peer could not run the chaincode: its process is down, or doesn't answer.",
        "See that the chaincode server of that peer's organisation runs, and read its log; `commonwatt network up` "
        "starts those of its networks. A refused connection means that nothing listens where the package says.",
    ),
    "CHECKPOINT_OF_ANOTHER_LEDGER": (
        "The checkpoint is at a block or a transaction that the channel's ledger does not hold: the network was reset, "
        "or the checkpoint comes from another network or channel.",
        "Connect to the network it comes from, or delete the checkpoint to start anew. If the peer was restored and is "
        "still catching up, start again once it has.",
    ),
    "DUPLICATE_TRANSACTION": (
        "The peer has a committed transaction with this id already.",
        "Ask the commit status of the transaction id instead of endorsing it again.",
    ),
    "ACCESS_DENIED": (
        "The peer doesn't accept this identity for this call on this channel: its organisation isn't a member, its "
        "certificate isn't valid for it, the signature doesn't fit the certificate, or the channel keeps its blocks to "
        "operators and administrators.",
        "Check that certificate and key belong together, that its MSP id is right, that it hasn't "
        "expired, and that the organisation is on the channel. For blocks, ask as an operator or administrator; commit "
        "status and chaincode events need neither.",
    ),
    "NOT_FOUND": (
        "The peer doesn't know the channel, or the transaction.",
        "Check the channel's name and that the peer has joined it.",
    ),
    "REFUSED": (
        "The node understood the request and refused it; nothing was changed by it.",
        "Read its answer: it says what is missing, a right or a signature for the most part.",
    ),
    "CHANNEL_NOT_FOUND": (
        "The node has not joined this channel.",
        "Check the channel's name; join the node to it first.",
    ),
    "CHANNEL_EXISTS": (
        "The node has joined this channel already.",
        "Ask how it stands there (`get_channel`, `get_chain_info`); nothing else is to be done.",
    ),
    "ALREADY_DONE": ("Exactly this was done before.", "Nothing; take it as done."),
    "SIGNATURES_MISSING": (
        "A policy of the channel asks for other or more signatures than the update of its configuration carries.",
        "Collect the missing signatures: the answer names the policy, and how many of them satisfy it.",
    ),
    "NOT_AGREED": (
        "An endorsing peer's organisation has not approved exactly this chaincode definition, as far as it knows.",
        "Let every endorsing organisation approve it first; `check_commit_readiness` tells who has not.",
    ),
    "SEQUENCE_TAKEN": (
        "The chaincode definition does not follow the one in force: another took its sequence, or one is left out.",
        "Query the committed definition and use its `next()`.",
    ),
    "PRIVATE_DATA_MISSING": (
        "The peer lacks a private value that it should hold, as one does whose data were lost.",
        "Wait until another member's peer has sent it; where it is the organisation's own approval of a chaincode and "
        "all its peers were lost, approve and commit the definition's next sequence.",
    ),
    "NOT_READY": (
        "The network is still coming together: no leader yet, or its peers have not found each other.",
        "Ask again in a moment: the same request works once it has.",
    ),
    "NOT_A_CONSENTER": (
        "The orderer would join the channel without being one of its consenters: it would order nothing.",
        "List its TLS certificate among the channel's consenters first, or pass `as_follower=True`.",
    ),
    "INVALID_INPUT": (
        "Something given to the client cannot be used; nothing was sent.",
        "Read the message: it names the argument, the file or the key, and what it should be.",
    ),
    "NO_NETWORK": (
        "The file that describes the network does not exist: no network was started here, or it was deleted.",
        "Start one (`make network-up`), or name the folder of another in COMMONWATT_DIRECTORY.",
    ),
    "SIGNING_FAILED": (
        "A message could not be signed: there is no signer, or the signer failed.",
        "Give the gateway a signer, or sign each message's digest elsewhere and rebuild it from its bytes.",
    ),
    "MALFORMED_MESSAGE": (
        "Bytes that should be a Fabric message are not one.",
        "Compare the versions of client and node; see that a proxy or a file did not alter the bytes.",
    ),
    "CONNECTION_CLOSED": (
        "The connection was closed before or during the call.",
        "Open another with `connect`; keep it open as long as calls are under way.",
    ),
    "CANCELLED": ("The call was cancelled before its answer came.", "Call again if it wasn't meant to be."),
    "OTHER": (
        "The peer answered with an error of its own.",
        "Read its message, and the peer's log for more.",
    ),
}

EXPLANATIONS: dict[str, Explanation] = {
    **{code.name: Explanation(code.name, code.value, *texts) for code, texts in _CODES.items()},
    **{name: Explanation(name, None, *texts) for name, texts in _BEFORE_A_BLOCK.items()},
}
"""Every explained code by name."""


def explain(code: str | int) -> Explanation:
    """The explanation of a code, by name (any case) or TxValidationCode number.

    Raises KeyError whose message lists the known names for one that isn't known.
    """
    if isinstance(code, int) or code.isdecimal():
        number = int(code)
        for explanation in EXPLANATIONS.values():
            if explanation.number == number:
                return explanation
    elif (name := code.upper().replace("-", "_")) in EXPLANATIONS:
        return EXPLANATIONS[name]
    raise KeyError(f"no code {code!r} is known; known are {', '.join(sorted(EXPLANATIONS))}")


def explain_validation(code: ValidationCode) -> Explanation:
    """The explanation of a validation code, also of one that only a later Fabric knows."""
    if code.name in EXPLANATIONS:
        return EXPLANATIONS[code.name]
    return Explanation(code.name, code.value, "The peer gave a code this client doesn't know.", _REPORT)
