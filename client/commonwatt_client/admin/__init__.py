"""Administration of a Fabric network from Python: no command-line tool is called.

Interface (async; every result is a frozen dataclass; every error is an `AdminError`)::

    OrdererAdmin(admin_address, *, tls_ca, client_certificate, client_key, server_name=None, timeout_s=30)
        async with; close()                            PEM texts as bytes; REST over mutual TLS
        join_channel(block: bytes) -> ChannelInfo      refuses (NotAConsenterError) unless consenter, see as_follower=
        list_channels() -> tuple[str, ...]
        get_channel(name) -> ChannelInfo               ChannelNotFoundError
        remove_channel(name) -> None                   returns once the list no longer shows it
        get_block(channel, "newest" | "oldest" | "config" | number) -> Block
        update_channel(channel, envelope: bytes) -> ChannelInfo

    OrderingClient(address, *, identity, signer, tls_ca, server_name=None, client_certificate=None, client_key=None)
        broadcast(envelope: bytes) -> None
        get_block(channel, position), fetch_config_block(channel) -> Block
        blocks(channel, start=0, stop=None) -> AsyncIterator[Block]

    PeerAdmin(address, *, identity, signer, tls_ca, server_name=None, client_certificate=None, client_key=None, timeout_s=60)
        async with; close()
        join_channel(block: bytes) -> str (channel name)          join_channel_by_snapshot(directory)
        list_channels() -> tuple[str, ...]
        get_chain_info(channel) -> ChainInfo(height, current_block_hash, previous_block_hash)
        get_block_by_number(channel, n), get_block_by_hash(channel, hash), get_block_by_transaction_id(channel, id) -> Block
        get_transaction_by_id(channel, id) -> Transaction
        fetch_config_block(channel) -> Block                       fetch_config(channel) -> ChannelConfig
        blocks(channel, start=0, stop=None) -> AsyncIterator[Block]
        install_chaincode(package: ChaincodePackage | bytes) -> InstalledChaincode     (again is a no-op)
        query_installed_chaincodes() -> tuple[InstalledChaincode, ...]
        get_installed_chaincode_package(package_id) -> bytes
        approve_chaincode_definition(channel, definition, package_id) -> str (transaction id)
        check_commit_readiness(channel, definition) -> CommitReadiness(approvals: Mapping[mspid, bool], mismatches)
        commit_chaincode_definition(channel, definition) -> str (transaction id)
        query_approved_chaincode_definition(channel, name, sequence=None) -> ApprovedDefinition
        query_committed_chaincode_definition(channel, name) -> CommittedDefinition
        query_committed_chaincode_definitions(channel) -> tuple[CommittedDefinition, ...]
        discover_peers(channel), discover_config(channel), discover_endorsers(channel, chaincode)
        submit_snapshot_request(channel, block_number=0), cancel_snapshot_request, list_pending_snapshots

    package_ccaas(label, connection: ChaincodeConnection) -> ChaincodePackage(label, package_id, content: bytes)
    ChaincodeConnection(address, dial_timeout_s=10, tls_required, root_cert, client_auth_required, client_cert, client_key)
    ChaincodeDefinition(name, version, sequence, endorsement_policy="/Channel/Application/Endorsement",
                        collections=(), init_required=False)
        endorsement_policy: a channel policy path, or a signature policy as text "AND('NewtownMSP.peer', 'GridMSP.peer')"
        .next(version=...) -> the same definition at the next sequence
    parse_signature_policy(text) -> SignaturePolicy

    ChannelConfig.from_block(block), .to_dict(), ...; compute_update(channel, current, desired) -> bytes (ConfigUpdate);
    sign_update(update, identity, signer) -> bytes (ConfigSignature); assemble_update(update, signatures, identity, signer)
    -> bytes (Envelope); wait_for_sequence(source, channel, sequence)
    decode_block(bytes) -> Block; block_header_hash, block_data_hash; verify_block_signatures
"""
