# SPDX-License-Identifier: Apache-2.0
"""Which 32 bytes are a public key of Ed25519 (RFC 8032, 5.1.3): libraries take some that are none."""

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def is_public_key(encoded: bytes) -> bool:
    """Whether the bytes encode, in the one spelling it has, a point of the curve that is not of small order.

    Under a key of small order one signature fits many messages.
    """
    point = _point(encoded)
    if point is None:
        return False
    x, y, z = *point, 1
    for _ in range(3):  # the cofactor is 8
        x, y, z = _doubled(x, y, z)
    return x != 0 or y != z  # the identity is (0, 1)


def _point(encoded: bytes) -> tuple[int, int] | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if len(encoded) != 32 or y >= P:
        return None
    # x**2 = u / v, and the root without a division, as RFC 8032, 5.1.3, step 3 has it
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    cube = v * v * v % P
    x = u * cube * pow(u * cube * cube * v, (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_1 % P
    if v * x * x % P != u:
        return None
    return (x if x & 1 == sign else P - x), y


def _doubled(x: int, y: int, z: int) -> tuple[int, int, int]:
    """The double of (x / z, y / z) (Bernstein and others, Twisted Edwards curves, 2008, section 6)."""
    b, c, d = (x + y) * (x + y) % P, x * x % P, y * y % P
    f = d - c
    j = f - 2 * z * z
    return (b - c - d) * j % P, f * (-c - d) % P, f * j % P
