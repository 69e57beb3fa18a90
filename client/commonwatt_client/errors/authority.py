# SPDX-License-Identifier: Apache-2.0
"""Failures of a certificate authority."""

from commonwatt_client.errors.base import ClientError
from commonwatt_client.errors.codes import FabricCACode

_ADVICE = {
    20: "check the name and the secret; a revoked identity and a used-up secret are refused in the same words",
    71: "the caller's hf.Registrar.* or hf.Revoker attributes do not allow this; ask an administrator of the authority",
    74: "enrol it with its secret, or register another name",
    63: "check the name; `identities` lists those that the authority knows",
}


class FabricCAError(ClientError):
    """The authority could not be reached or refused; nothing was changed by a refusal.

    `party` and `url` are the request's address, `status` its HTTP status (None: no answer), `code` Fabric CA's own
    error code (0: none).

    ::

        async with FabricCA("https://127.0.0.1:1", timeout_s=1) as authority:
            try:
                await authority.info()
            except FabricCAError as error:
                print(error.url, error.status, error.code.name)
    """

    code: FabricCACode

    def __init__(self, url: str, message: str, *, status: int | None = None, code: int = 0) -> None:
        super().__init__(
            message, code=FabricCACode(code), status=status, party=url, advice=_ADVICE.get(code, "")
        )
        self.url = url

    def __str__(self) -> str:
        return f"{self.url}: {self.message}" + (f"; {self.advice}" if self.advice else "")
