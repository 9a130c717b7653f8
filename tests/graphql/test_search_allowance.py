"""Nobody lists people by searching for one name after another."""

import json
from pathlib import Path

from tests.graphql.conftest import DESK
from tests.graphql.test_search import FIND, WHOLE, ambulance, find, moved, trail


async def test_who_searches_too_often_is_told_when_to_try_again_and_it_is_in_the_trail(tmp_path: Path) -> None:
    def edit(config: str) -> str:
        return config.replace("[gateway]", "[gateway]\nsearches_per_minute = 1", 1)

    async with moved(tmp_path, "ooh", ambulance(), more=edit) as gateway:
        await gateway.refused(FIND, search={"family": "Quillfeather"})
        await find(gateway, **WHOLE)
        before = {name: fault.asked for name, fault in gateway.faults.items()}
        error = await gateway.refused(FIND, search=WHOLE, headers={"Sherwood-Purpose": "ETREAT"})
        assert error["extensions"] == {"code": "SEARCH_THROTTLED", "issueType": "throttled"}
        assert error["message"].startswith("One user searches at most 1 times a minute: try again in ")
        assert {name: fault.asked for name, fault in gateway.faults.items()} == before, "nobody was asked"
        refusal = trail(gateway)[-1]
        assert (refusal["kind"], refusal["user"], refusal["patient"]) == ("refusal", "jacky", None)
        assert json.loads(refusal["detail"]) == {"code": "SEARCH_THROTTLED"}
        await find(gateway, headers={"Authorization": f"Bearer {DESK}"}, **WHOLE)
        metrics = gateway.service.metrics.text().decode()
        assert 'sherwood_searches_total{outcome="throttled"} 1.0' in metrics
        assert 'sherwood_searches_total{outcome="asked"} 2.0' in metrics
