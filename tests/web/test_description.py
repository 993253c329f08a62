"""The model description for the page: plain JSON, with the gradient of the input and code locations."""

import json

from web.networks import each_network, find_subject


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
        assert described["code"][operation][0]["file"].startswith("operations/reference/")
        assert described["derivations"][operation].startswith("docs/derivations/")
