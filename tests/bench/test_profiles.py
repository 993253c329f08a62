"""Profiles of the layers of a network, beside ONNX Runtime's."""

from benchmarks import operation_counts, profiles, subjects


def test_a_profile_has_all_multiply_adds_and_times_of_both() -> None:
    subject = subjects.find("numpy-cnn")
    rows = [dict(zip(profiles.HEADS, row, strict=True)) for row in profiles.cells(subject, samples=3, rounds=1)]
    counted = sum(int(row["multiply-adds"].replace(",", "")) for row in rows)
    assert counted == 3 * operation_counts.of_plan(subject.build("numpy", 1).plan())
    convolutions = [row for row in rows if row["kernel"].startswith("correlate")]
    assert convolutions
    assert all(float(row["ratio"].removesuffix("×")) > 0 for row in convolutions)
