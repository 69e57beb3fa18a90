# SPDX-License-Identifier: Apache-2.0
"""Why a node does not answer, found by dialling it once more: gRPC tells one failure from another less well."""

from __future__ import annotations

import asyncio
import socket
import ssl

from commonwatt_client import ClientError, Peer
from commonwatt_client.identity import read_pem

DIAL_S = 3.0
ANSWER_S = 1.0
ENDS = "it ends the connection: it may demand a TLS client certificate, which a profile names in client.tlsCerts.client"


async def why_silent(node: Peer) -> str:
    """In words; empty where the node takes connections and its certificate is of the authority given."""
    host, _, port = node.address.rpartition(":")
    try:
        context = None if node.plaintext else _context(node)
        async with asyncio.timeout(DIAL_S):
            reader, writer = await asyncio.open_connection(
                host.strip("[]"),
                int(port),
                ssl=context,
                server_hostname=(node.tls_server_name or host.strip("[]")) if context else None,
            )
    except ssl.SSLCertVerificationError as error:
        return (
            f"its TLS certificate is not of the authority in the profile ({error.verify_message}): the profile is of "
            "another network, or the certificates were renewed"
        )
    except ssl.SSLError as error:
        return f"it ends the TLS handshake ({error.reason or error}): it may speak without TLS"
    except socket.gaierror as error:
        return f"its name does not resolve here ({error.strerror})"
    except TimeoutError:
        return f"it does not answer within {DIAL_S:g} s"
    except OSError as error:
        return f"nothing listens there ({error.strerror or error})"
    except (ClientError, ValueError) as error:
        return str(error)
    try:
        without_certificate = not node.plaintext and node.client_certificate is None
        return ENDS if without_certificate and await _ends(reader) else ""
    finally:
        writer.close()


async def _ends(reader: asyncio.StreamReader) -> bool:
    """Whether the node ends a connection that it took: TLS 1.3 refuses a client only after the handshake."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return not await reader.read(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def _context(node: Peer) -> ssl.SSLContext:
    if node.tls_ca_cert is None:
        return ssl.create_default_context()
    authority = read_pem(node.tls_ca_cert, f"the TLS CA certificate of {node.name or node.address}")
    context = ssl.create_default_context(cadata=authority.decode("ascii", "replace"))
    context.set_alpn_protocols(["h2"])
    return context
