# SPDX-License-Identifier: Apache-2.0
"""TLS by configuration and by Fabric's variables; no silent plaintext."""

from dataclasses import asdict
from pathlib import Path

import grpc
import pytest
from commonwatt_chaincode.shim import ConfigurationError, ServerConfig, config_from_environment
from commonwatt_chaincode.shim.configuration import log_level_from_environment
from commonwatt_chaincode.shim.testing import WirePeer
from commonwatt_chaincode.shim.testing.certificates import TlsFiles

from .conftest import ServerProcess, Serving

BASE = {"CHAINCODE_SERVER_ADDRESS": "127.0.0.1:9999", "CHAINCODE_ID": "probe_1:hash"}


def client(tls: TlsFiles, *, with_certificate: bool = False) -> grpc.ChannelCredentials:
    key = tls.client_key.read_bytes() if with_certificate else None
    certificate = tls.client_cert.read_bytes() if with_certificate else None
    return grpc.ssl_channel_credentials(tls.ca_cert.read_bytes(), key, certificate)


async def test_a_server_with_tls_takes_tls_alone(serving: Serving, tls: TlsFiles) -> None:
    files = {"plaintext": False, "tls_cert": tls.server_cert, "tls_key": tls.server_key}
    async with serving(**files) as address:
        async with WirePeer(address, client(tls)) as peer:
            await peer.invoke("get", "k")
        with pytest.raises((TimeoutError, grpc.RpcError)):
            await WirePeer(address, register_timeout_s=0.5).__aenter__()


async def test_files_with_a_byte_order_mark_are_read(serving: Serving, tls: TlsFiles, tmp_path: Path) -> None:
    """As editors write them: gRPC itself would find no certificate, and say nothing."""
    marked = {}
    for name, path in (
        ("tls_cert", tls.server_cert),
        ("tls_key", tls.server_key),
        ("client_ca_cert", tls.ca_cert),
    ):
        marked[name] = tmp_path / f"{name}.pem"
        marked[name].write_bytes(b"\xef\xbb\xbf  " + path.read_bytes())
    async with (
        serving(plaintext=False, **marked) as address,
        WirePeer(address, client(tls, with_certificate=True)) as peer,
    ):
        await peer.invoke("get", "k")


async def test_mutual_tls_from_fabric_s_variables(
    server_process: ServerProcess, address: str, tls: TlsFiles
) -> None:
    process = server_process(
        CHAINCODE_TLS_CERT=str(tls.server_cert),
        CHAINCODE_TLS_KEY=str(tls.server_key),
        CHAINCODE_CLIENT_CA_CERT=str(tls.ca_cert),
    )
    async with WirePeer(address, client(tls, with_certificate=True)) as peer:
        await peer.invoke("get", "k")
    with pytest.raises((TimeoutError, grpc.RpcError)):
        await WirePeer(address, client(tls), register_timeout_s=0.5).__aenter__()
    process.terminate()
    assert process.wait(10) == 0
    assert process.stdout is not None
    assert b"peer client connected" in process.stdout.read()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"CHAINCODE_SERVER_ADDRESS": ""}, "CHAINCODE_SERVER_ADDRESS is not set"),
        ({"CHAINCODE_SERVER_ADDRESS": "9999"}, "'9999' is not host:port"),
        ({"CHAINCODE_SERVER_ADDRESS": "localhost:x"}, "is not host:port"),
        ({"CHAINCODE_ID": ""}, "CHAINCODE_ID is not set"),
        ({}, "no TLS: give CHAINCODE_TLS_CERT"),
        ({"CHAINCODE_TLS_DISABLED": "false"}, "no TLS: give CHAINCODE_TLS_CERT"),
        ({"CHAINCODE_TLS_DISABLED": "maybe"}, "'maybe'; it takes true or false"),
        ({"CHAINCODE_TLS_CERT": "c.pem"}, "CHAINCODE_TLS_KEY is missing"),
        ({"CHAINCODE_TLS_KEY": "k.pem"}, "CHAINCODE_TLS_CERT is missing"),
        (
            {"CHAINCODE_TLS_DISABLED": "true", "CHAINCODE_TLS_CERT": "c", "CHAINCODE_TLS_KEY": "k"},
            "remove the one",
        ),
        ({"CHAINCODE_TLS_DISABLED": "true", "CHAINCODE_CLIENT_CA_CERT": "c"}, "remove the one"),
        ({"CHAINCODE_TLS_DISABLED": "true", "CHAINCODE_WORKERS": "many"}, "'many'; it takes a whole number"),
        ({"CHAINCODE_TLS_DISABLED": "true", "CHAINCODE_WORKERS": "0"}, "it takes 1 or more"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        config_from_environment({**BASE, **changes})


def test_fabric_s_variables_are_read() -> None:
    config = config_from_environment(
        {
            **BASE,
            "CHAINCODE_TLS_DISABLED": "false",
            "CHAINCODE_TLS_CERT": "c.pem",
            "CHAINCODE_TLS_KEY": "k.pem",
            "CHAINCODE_CLIENT_CA_CERT": "ca.pem",
            "CHAINCODE_WORKERS": "3",
        }
    )
    assert asdict(config) == asdict(
        ServerConfig(
            "127.0.0.1:9999", "probe_1:hash", Path("c.pem"), Path("k.pem"), Path("ca.pem"), False, 3, 20.0
        )
    )


async def test_files_that_do_not_fit_are_told(serving: Serving, tls: TlsFiles, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for cert, key, sentence in (
        (tls.server_cert, tmp_path / "absent.pem", "cannot read .*absent.pem: No such file"),
        (tls.server_cert, tls.client_key, "does not belong to"),
        (junk, tls.server_key, "is not PEM"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            async with serving(plaintext=False, tls_cert=cert, tls_key=key):
                raise AssertionError("it started")


def test_the_log_level_is_fabric_s() -> None:
    assert log_level_from_environment({}) == "INFO"
    assert log_level_from_environment({"CORE_CHAINCODE_LOGGING_LEVEL": "debug"}) == "DEBUG"
    with pytest.raises(ConfigurationError, match="'LOUD'; it takes debug"):
        log_level_from_environment({"CORE_CHAINCODE_LOGGING_LEVEL": "loud"})


def test_a_wrong_configuration_ends_the_process_with_one_line(server_process: ServerProcess) -> None:
    process = server_process()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert output.decode().startswith("chaincode cannot start: no TLS")
    assert output.count(b"\n") == 1
