# SPDX-License-Identifier: Apache-2.0
"""The layouts of trace files that are known by name, in the order in which a file is held against them."""

from commonwatt_loadgen.traces.layouts import (
    aemo,
    ausgrid,
    green_button,
    irish_cer,
    low_carbon_london,
    nem12,
    openei_resstock,
    p1_dsmr,
    pecan_street,
    tidy,
    umass_smart,
)
from commonwatt_loadgen.traces.layouts.layout import Layout

LAYOUTS: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT
    for module in (
        ausgrid,
        nem12,
        aemo,
        green_button,
        p1_dsmr,
        irish_cer,
        low_carbon_london,
        pecan_street,
        openei_resstock,
        umass_smart,
        tidy,
    )
}

__all__ = ["LAYOUTS", "Layout"]
