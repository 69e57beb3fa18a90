# SPDX-License-Identifier: Apache-2.0
"""The forward market as an environment in which agents learn: Gymnasium for one home, PettingZoo for many.

Both need the extra `gym`: `pip install 'commonwatt-loadgen[gym]'`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commonwatt_loadgen.environment.many_homes import CommonwattParallelEnv
    from commonwatt_loadgen.environment.one_home import CommonwattEnv

__all__ = ["CommonwattEnv", "CommonwattParallelEnv"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: each needs a library of its own."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    try:
        if name == "CommonwattEnv":
            from commonwatt_loadgen.environment.one_home import CommonwattEnv

            return CommonwattEnv
        from commonwatt_loadgen.environment.many_homes import CommonwattParallelEnv

        return CommonwattParallelEnv
    except ModuleNotFoundError as error:
        if error.name not in ("gymnasium", "pettingzoo"):
            raise
        raise ModuleNotFoundError(f"{name} needs {error.name}: install commonwatt-loadgen[gym]") from error
