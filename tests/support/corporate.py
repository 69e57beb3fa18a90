# SPDX-License-Identifier: Apache-2.0
"""An organisation's own certificate authorities on another machine, run with OpenSSL."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key


def authorities_in(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, in their order."""
    return x509.load_pem_x509_certificates(path.read_bytes())


class Corporate:
    """Two root authorities, for identities and for TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuers: dict[str, str] = {}  # kind -> the authority that issues, where that is not its root
        folder.mkdir()
        for kind in ("enrolment", "tls"):
            self._make_root(kind, f"{kind} root")

    def put_beside(self, kind: str, name: str) -> Path:
        """Another root, which issues from now on; its file."""
        self.issuers[kind] = f"{kind}-{name}"
        self._make_root(self.issuers[kind], f"{kind} {name}")
        return self.folder / f"{kind}-{name}.pem"

    def put_below(self, kind: str, *names: str) -> Path:
        """Intermediates below the root, each below the one before; the file of the chain, in no helpful order.

        From now on the last one issues.
        """
        chain = [self.folder / f"{kind}.pem"]
        above = kind
        extensions = self._extensions()
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

    def renew(self, chain: Path, *, late: bool = False) -> Path:
        """The same authorities until a year later, with the keys that they have; `chain`, the file of them, is new.

        They begin when they began, or `late`, now: OpenSSL 3.0 cannot say the former.
        """
        renewed = []
        for certificate in authorities_in(chain):  # from the root down, as `put_below` wrote them
            [key] = [path for path in self.folder.glob("*.key") if _is_key_of(path, certificate)]
            above = renewed[-1][1] if renewed else _key(key)
            began = datetime.now(UTC) if late else certificate.not_valid_before_utc
            builder = (
                x509.CertificateBuilder(extensions=list(certificate.extensions))
                .subject_name(certificate.subject)
                .issuer_name(certificate.issuer)
                .public_key(certificate.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(began)
                .not_valid_after(certificate.not_valid_after_utc + timedelta(days=365))
            )
            made = builder.sign(above, hashes.SHA256())
            key.with_suffix(".pem").write_bytes(made.public_bytes(Encoding.PEM))
            renewed.append((made, _key(key)))
        chain.write_bytes(b"".join(made.public_bytes(Encoding.PEM) for made, _ in renewed))
        return chain

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

    def _make_root(self, made: str, name: str) -> None:
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{made}.key", "-out", f"{made}.pem", "-days", "3650", "-subj", f"/CN={name}"),
        )

    def _extensions(self) -> Path:
        """Of an authority's certificate."""
        extensions = self.folder / "authority"
        extensions.write_text(
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        return extensions

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _is_key_of(path: Path, certificate: x509.Certificate) -> bool:
    return _key(path).public_key() == certificate.public_key()
