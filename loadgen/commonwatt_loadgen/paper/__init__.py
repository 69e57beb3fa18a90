# SPDX-License-Identifier: Apache-2.0
"""The paper's experiments (Wang et al. 2023, doi 10.3389/fenrg.2022.1091350) repeated with the chaincode's
own rules.
"""
