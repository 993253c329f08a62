"""The model description for the page: plain JSON, with the gradient of the input and code locations."""

import json

from web.networks import each_network, find_subject

from chainrule.explain import code
from chainrule.operations import definitions


@each_network
def test_is_json_with_the_gradient_of_the_input_and_places_in_the_code(name: str) -> None:
    subject = find_subject(name)
    described = json.loads(json.dumps(subject.description, allow_nan=False))
    written = [tensor["storage"] for operation in described["plan"]["backward"] for tensor in operation["writes"]]
    assert "dx" in written
    assert described["shapes"] == {key: list(values.shape) for key, values in subject.model.weights.items()}
    assert described["shapes"].keys() == described["layout"].keys()
    plan = described["plan"]
    names = {operation["name"] for part in ("forward", "backward", "deferred") for operation in plan[part]}
    omitted = {operation["name"] for operation in described["catalogue"]["omitted"]}
    for operation in names | omitted | {described["optimizer"]["operation"]}:
        places = described["code"][operation]
        assert places[0]["file"].startswith("operations/reference/")
        for place in places:
            line = (code.SOURCE / place["file"]).read_text(encoding="utf-8").splitlines()[place["line"] - 1]
            formulas = f"[{definitions.generated().get(operation)}]"
            assert line == formulas or line.startswith(f"def {operation}(")
        assert described["derivations"][operation].startswith("docs/derivations/")
