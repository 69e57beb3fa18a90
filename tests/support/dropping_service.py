# SPDX-License-Identifier: Apache-2.0
"""`python dropping_service.py VERB...`: a verb of `commonwatt` whose service lies about every tenth message: it says
`written`, and delivers nothing.
"""

from itertools import count

from commonwatt_community.service.outbox import WRITTEN, Outbox


def main() -> None:
    numbers, honest = count(1), Outbox._result

    async def lying(self: Outbox, waiting: object) -> str:
        if next(numbers) % 10 == 0:
            print(f"dropped {waiting.spoken.message.digest}", flush=True)  # type: ignore[attr-defined]
            return WRITTEN
        return await honest(self, waiting)  # type: ignore[arg-type]

    Outbox._result = lying  # type: ignore[assignment,method-assign]
    from commonwatt_network.cli.main import main as commonwatt

    commonwatt()


if __name__ == "__main__":
    main()
