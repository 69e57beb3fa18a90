# SPDX-License-Identifier: Apache-2.0
"""Which 32 bytes are a public key of Ed25519 (RFC 8032, 5.1.3): libraries take some that are none."""

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1)


def is_public_key(encoded: bytes) -> bool:
    """Whether the bytes encode, in the one spelling it has, a point of the curve that is not of small order.

    Under a key of small order one signature fits many messages.
    """
    point = _point(encoded)
    if point is None:
        return False
    for _ in range(3):  # the cofactor is 8
        point = _doubled(*point)
    return point != IDENTITY


def _point(encoded: bytes) -> tuple[int, int] | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if len(encoded) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_1 % P
    if x * x % P != square:
        return None
    return (x if x & 1 == sign else P - x), y


def _doubled(x: int, y: int) -> tuple[int, int]:
    product = D * x * x * y * y % P
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )
