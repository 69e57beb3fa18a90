# SPDX-License-Identifier: Apache-2.0
"""An organisation's own certificate authorities on another machine, run with OpenSSL."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography import x509


def authorities_in(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, in their order."""
    return x509.load_pem_x509_certificates(path.read_bytes())


class Corporate:
    """Two root authorities, for identities and for TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuers: dict[str, str] = {}  # kind -> the intermediate that issues
        folder.mkdir()
        for kind in ("enrolment", "tls"):
            self._openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *(
                    "-keyout",
                    f"{kind}.key",
                    "-out",
                    f"{kind}.pem",
                    "-days",
                    "3650",
                    "-subj",
                    f"/CN={kind} root",
                ),
            )

    def put_below(self, kind: str, *names: str) -> Path:
        """Intermediates below the root, each below the one before; the file of the chain, in no helpful order.

        From now on the last one issues.
        """
        chain = [self.folder / f"{kind}.pem"]
        above = kind
        extensions = self.folder / "authority"
        extensions.write_text(
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        for name in names:
            made = f"{kind}-{name}"
            self._openssl(
                *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-keyout", f"{made}.key", "-out", f"{made}.csr", "-subj", f"/CN={kind} {name}"),
            )
            self._openssl(
                *("x509", "-req", "-in", f"{made}.csr", "-CA", f"{above}.pem", "-CAkey", f"{above}.key"),
                *("-out", f"{made}.pem", "-days", "1800", "-extfile", str(extensions)),
            )
            above = made
            chain.append(self.folder / f"{made}.pem")
        self.issuers[kind] = above
        file = self.folder / f"{kind}-chain.pem"
        file.write_bytes(b"".join(path.read_bytes() for path in chain))
        return file

    def sign(self, requests: Path, output: Path, *, copy: str = "copyall", by: str | None = None) -> Path:
        extensions = self.folder / "extensions"
        extensions.write_text("authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        for request in requests.rglob("*.csr"):
            kind = request.parent.name
            made = output / kind / f"{request.stem}.pem"
            made.parent.mkdir(parents=True, exist_ok=True)
            issuer = by or self.issuers.get(kind, kind)
            self._openssl(
                *("x509", "-req", "-in", str(request), "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"),
                *("-out", str(made), "-days", "365", "-copy_extensions", copy, "-extfile", str(extensions)),
            )
        return output

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
