# SPDX-License-Identifier: Apache-2.0
"""Forecasts that learn from a home's own past; the simple ones are in `hems.forward.forecast`."""

import importlib.util

from commonwatt_community.hems.forward.forecast import PeriodForecast


def learnt() -> PeriodForecast:
    """The forecast `learnt`, for one home.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed; the message says what to install.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ModuleNotFoundError(
            "the forecast `learnt` needs scikit-learn: install commonwatt-community[forecast]"
        )
    from commonwatt_community.forecasts.learning import Learnt  # numpy is an extra

    return Learnt()
