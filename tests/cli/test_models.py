"""`chainrule models`."""

from cli.commands import answer

from chainrule import zoo


def test_every_network_is_listed(invoke):
    result = invoke("models")
    assert (result.exit_code, result.stderr) == (0, "")
    for entry in zoo.ENTRIES:
        size = entry.build(engine="numpy").parameters.size
        (line,) = (line for line in result.stdout.splitlines() if line.split()[0] == entry.name)
        assert f"{size:,}" in line
        assert entry.source in line
        shown = [f"{target.value * 100:.1f} %" if target.metric != "r2" else "0.8960" for target in entry.targets]
        assert all(target.data in line and text in line for target, text in zip(entry.targets, shown, strict=True))
    assert "Conv2D(8, 5), ReLU, Conv2D(8, 5), ReLU, MaxPool2D, Flatten, Dense(128), ReLU, Dense(10)" in result.stdout


def test_json(invoke):
    report = answer(invoke("models --json"))
    assert [row["name"] for row in report] == [entry.name for entry in zoo.ENTRIES]
    row = answer(invoke("models venchislaw --json"))
    assert row in report
    assert row["targets"] == [{"data": "mnist", "accuracy": 0.99}, {"data": "cifar10", "accuracy": 0.69}]
    assert row["recipe"]["optimizer"]["name"] == "adam"
    assert row["tutorial"] is None


def test_one_network(invoke):
    text = invoke("models numpy-cnn").stdout
    assert zoo.find("numpy-cnn").build(engine="numpy").summary() in text


def test_the_program_of_a_training_step(invoke):
    result = invoke("models numpy-cnn --program")
    assert result.exit_code == 0, result.stderr
    for operation in ("max_pool_dx", "dense_dw", "softmax_cross_entropy_dp"):
        assert operation in result.stdout
