# SPDX-License-Identifier: Apache-2.0
"""Which programs made a result."""

import platform
from importlib.metadata import version

_PACKAGES = ("commonwatt-loadgen", "numpy", "pandas", "scipy")


def versions() -> dict[str, str]:
    """The versions of the kit, of Python, and of the packages that figures come from."""
    found = {name: version(name) for name in _PACKAGES}
    return {**found, "python": platform.python_version(), "platform": platform.platform(terse=True)}
